use super::*;

use identity::saml::{KeyPair, Saml as _};
use secrecy::ExposeSecret as _;

use crate::Xmlsec;

const SLO: &str = "https://hub.example/api/v1/sso/idp_1/slo";
const ISSUER: &str = "https://idp.example/metadata";

/// A provider with a key of its own, and we towards it.
struct World {
    idp: KeyPair,
    parties: Parties,
}

fn world() -> World {
    let (idp, ours) = (keys::fresh().unwrap(), keys::fresh().unwrap());
    let parties = Parties {
        entity_id: "https://hub.example/api/v1/sso/idp_1/metadata".to_owned(),
        acs_url: "https://hub.example/api/v1/sso/idp_1/acs".to_owned(),
        slo_url: SLO.to_owned(),
        metadata: metadata(
            &idp,
            "<md:SingleLogoutService \
            Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
            Location=\"https://idp.example/slo?at=1\" \
            ResponseLocation=\"https://idp.example/slo/done\"/>",
        ),
        private_key: ours.private_key,
        certificate: ours.certificate,
    };
    World { idp, parties }
}

fn metadata(idp: &KeyPair, services: &str) -> String {
    let certificate: String = idp
        .certificate
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
         entityID=\"{ISSUER}\"><md:IDPSSODescriptor \
         protocolSupportEnumeration=\"{PROTOCOL}\"><md:KeyDescriptor use=\"signing\">\
         <ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data>\
         <ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
         </md:KeyDescriptor>{services}<md:SingleSignOnService \
         Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"https://idp.example/sso\"/></md:IDPSSODescriptor></md:EntityDescriptor>"
    )
}

/// What a provider writes; a test changes it.
#[derive(Clone)]
struct Words {
    root: &'static str,
    issuer: &'static str,
    destination: &'static str,
    issued: DateTime<Utc>,
    more: String,
    inside: String,
}

fn request(now: DateTime<Utc>) -> Words {
    Words {
        root: "LogoutRequest",
        issuer: ISSUER,
        destination: SLO,
        issued: now,
        more: String::new(),
        inside: "<a:NameID>ada &amp; co</a:NameID><p:SessionIndex>s1</p:SessionIndex>\
                 <p:SessionIndex>s2</p:SessionIndex>"
            .to_owned(),
    }
}

impl Words {
    fn document(&self, signature: &str) -> String {
        format!(
            "<p:{root} xmlns:p=\"{PROTOCOL}\" xmlns:a=\"{ASSERTION}\" ID=\"_1\" Version=\"2.0\" \
             IssueInstant=\"{}\" Destination=\"{}\"{}><a:Issuer>{}</a:Issuer>{signature}{}\
             </p:{root}>",
            stamp(self.issued),
            self.destination,
            self.more,
            self.issuer,
            self.inside,
            root = self.root,
        )
    }

    /// As a query, signed by this key.
    fn query(&self, key: &KeyPair, part: Part) -> String {
        let key = keys::private(&key.private_key).unwrap();
        let url = redirect::address(SLO, part, &self.document(""), Some("st ate"), &key).unwrap();
        url.split_once('?').unwrap().1.to_owned()
    }

    /// As a document, signed inside by this key.
    fn signed(&self, key: &KeyPair) -> Vec<u8> {
        let template = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\
            <ds:SignedInfo><ds:CanonicalizationMethod \
            Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/><ds:SignatureMethod \
            Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/>\
            <ds:Reference URI=\"#_1\"><ds:Transforms><ds:Transform \
            Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/><ds:Transform \
            Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>\
            <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
            <ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature>";
        let key = keys::private(&key.private_key).unwrap();
        let der = key.private_key_to_der().unwrap();
        let signed = Crypto::sign_xml(self.document(template), &der).unwrap();
        signed.into_bytes()
    }
}

fn now() -> DateTime<Utc> {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn refusal(result: Result<SignOutRequest, SamlError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_request_is_taken_by_redirect_and_by_form() {
    let world = world();
    let expected = SignOutRequest {
        id: "_1".to_owned(),
        issuer: ISSUER.to_owned(),
        name_id: "ada & co".to_owned(),
        sessions: vec!["s1".to_owned(), "s2".to_owned()],
        valid_until: now() + OLDEST + SKEW + TimeDelta::seconds(1),
    };
    let words = request(now());
    let query = Message::Query(words.query(&world.idp, Part::Request));
    let document = Message::Document(words.signed(&world.idp));
    for message in [query, document] {
        let read = Xmlsec.sign_out_request(&world.parties, &message, now());
        assert_eq!(read.as_ref(), Ok(&expected));
    }
    let mut all = words;
    all.inside = "<a:NameID>ada</a:NameID>".to_owned();
    let message = Message::Query(all.query(&world.idp, Part::Request));
    let read = Xmlsec.sign_out_request(&world.parties, &message, now());
    assert_eq!(read.unwrap().sessions, Vec::<String>::new());
}

#[test]
fn what_is_not_in_order_is_refused_in_both_ways() {
    let world = world();
    let (good, stranger) = (request(now()), keys::fresh().unwrap());
    let change = |with: &dyn Fn(&mut Words)| {
        let mut words = good.clone();
        with(&mut words);
        words
    };
    let minutes = |minutes| now() + TimeDelta::minutes(minutes);
    for (words, why) in [
        (
            change(&|it| it.issuer = "https://evil.example"),
            "another issuer",
        ),
        (
            change(&|it| it.destination = "https://else.example/slo"),
            "another address",
        ),
        (change(&|it| it.destination = ""), "another address"),
        (change(&|it| it.issued = minutes(-7)), "expired"),
        (change(&|it| it.issued = minutes(2)), "future"),
        (
            change(&|it| it.more = format!(" NotOnOrAfter=\"{}\"", stamp(minutes(-2)))),
            "expired",
        ),
        (change(&|it| it.root = "LogoutResponse"), "another kind"),
        (change(&|it| it.inside = String::new()), "name of the user"),
        (
            change(&|it| it.inside.push_str("<p:SessionIndex/>")),
            "name of a session",
        ),
    ] {
        let query = Message::Query(words.query(&world.idp, Part::Request));
        let document = Message::Document(words.signed(&world.idp));
        for message in [query, document] {
            let said = refusal(Xmlsec.sign_out_request(&world.parties, &message, now()));
            assert!(said.contains(why), "{why}: {said}");
        }
    }
    for message in [
        Message::Query(good.query(&stranger, Part::Request)),
        Message::Document(good.signed(&stranger)),
        Message::Document(good.document("").into_bytes()),
    ] {
        let said = refusal(Xmlsec.sign_out_request(&world.parties, &message, now()));
        assert!(said.contains("signed"), "{said}");
    }
}

#[test]
fn a_signature_by_redirect_is_over_all_that_was_sent() {
    let world = world();
    let good = request(now()).query(&world.idp, Part::Request);
    let read = |query: String| {
        refusal(Xmlsec.sign_out_request(&world.parties, &Message::Query(query), now()))
    };
    let (before, _signature) = good.split_once("&Signature=").unwrap();
    for (query, why) in [
        (before.to_owned(), "signed"),
        (
            good.replace("RelayState=st+ate", "RelayState=other"),
            "signed",
        ),
        (good.replace("&RelayState=st+ate", ""), "signed"),
        (good.replace("rsa-sha256", "rsa-sha512"), "signed"),
        (
            good.replace("xmldsig-more%23rsa-sha256", "xmldsig%23rsa-sha1"),
            "past",
        ),
        (good.replace("rsa-sha256", "hmac-sha256"), "not known"),
        (format!("{good}&SAMLRequest=x"), "twice"),
        (good.replace("SAMLRequest=", "SAMLResponse="), "no message"),
        (good.replace("Signature=", "Signature=%25"), "base64"),
        (String::new(), "no message"),
        ("SAMLRequest=%00&SigAlg=&Signature=".to_owned(), "not known"),
        (format!("{good}{}", "x".repeat(300_000)), "larger"),
    ] {
        let said = read(query);
        assert!(said.contains(why), "{why}: {said}");
    }
    // A bomb of one letter, signed: it is not blown up.
    let key = keys::private(&world.idp.private_key).unwrap();
    let bomb = "a".repeat(20_000_000);
    let bomb = redirect::address(SLO, Part::Request, &bomb, None, &key).unwrap();
    assert!(read(bomb.split_once('?').unwrap().1.to_owned()).contains("larger"));
    let mut declared = request(now()).document("");
    declared.insert_str(0, "<!DOCTYPE a [<!ENTITY b \"c\">]>");
    let declared = redirect::address(SLO, Part::Request, &declared, None, &key).unwrap();
    assert!(read(declared.split_once('?').unwrap().1.to_owned()).contains("entities"));
}

#[test]
fn only_what_is_signed_of_a_document_is_read() {
    let world = world();
    let signed = String::from_utf8(request(now()).signed(&world.idp)).unwrap();
    let read = |text: &str| {
        let message = Message::Document(text.as_bytes().to_vec());
        Xmlsec.sign_out_request(&world.parties, &message, now())
    };
    assert!(read(&signed).is_ok());
    assert!(refusal(read(&signed.replace("ada &amp; co", "eve"))).contains("signed"));
    // The signed one wrapped by an evil one, which is what a careless reader would read.
    let body = signed.split_once("?>").unwrap().1;
    let evil = format!(
        "<p:LogoutRequest xmlns:p=\"{PROTOCOL}\" xmlns:a=\"{ASSERTION}\" ID=\"_2\" \
         Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{SLO}\"><a:Issuer>{ISSUER}</a:Issuer>\
         <a:NameID>eve</a:NameID>{body}</p:LogoutRequest>",
        stamp(now()),
    );
    assert!(read(&evil).is_ok_and(|it| it.name_id == "ada & co"));
    let twin = evil.replace("ID=\"_2\"", "ID=\"_1\"");
    assert!(read(&twin).is_err());
}

#[test]
fn ours_are_signed_and_say_what_the_provider_said() {
    let world = world();
    let name = Name {
        value: "ada <&> co".to_owned(),
        format: Some("urn:f".to_owned()),
    };
    let begun = Xmlsec
        .sign_out(&world.parties, &name, Some("s1"), "state", now())
        .unwrap();
    let url: url::Url = begun.url.parse().unwrap();
    assert!(
        begun
            .url
            .starts_with("https://idp.example/slo?at=1&SAMLRequest=")
    );
    // The provider reads it as we read its own.
    let ours = X509::from_pem(world.parties.certificate.as_bytes()).unwrap();
    let keys = [ours.public_key().unwrap()];
    let query = url.query().unwrap();
    let document = redirect::read(query, Part::Request, &keys).unwrap();
    let read: Read = quick_xml::de::from_str(&document).unwrap();
    assert_eq!(read.id, begun.request_id);
    assert_eq!(read.name.unwrap().value, "ada <&> co");
    assert_eq!(read.sessions[0].value, "s1");
    assert_eq!(read.destination.unwrap(), "https://idp.example/slo?at=1");
    assert!(document.contains(" Format=\"urn:f\""));
    let answer = Xmlsec
        .sign_out_answer(&world.parties, "_7\"", Some("theirs"), now())
        .unwrap();
    assert!(answer.starts_with("https://idp.example/slo/done?SAMLResponse="));
    assert!(answer.contains("&RelayState=theirs&"));
    let query = answer.split_once('?').unwrap().1;
    let document = redirect::read(query, Part::Response, &keys).unwrap();
    let read: Read = quick_xml::de::from_str(&document).unwrap();
    assert_eq!(read.answers.unwrap(), "_7\"");
    assert!(!world.parties.private_key.expose_secret().is_empty());
}

#[test]
fn an_answer_is_of_the_request_it_names() {
    let world = world();
    let answer = |code: &str| Words {
        root: "LogoutResponse",
        more: " InResponseTo=\"_9\"".to_owned(),
        inside: format!("<p:Status><p:StatusCode Value=\"{code}\"/></p:Status>"),
        ..request(now())
    };
    let read = |words: &Words, id: &str| {
        let message = Message::Query(words.query(&world.idp, Part::Response));
        Xmlsec.signed_out(&world.parties, &message, id, now())
    };
    assert!(read(&answer(SUCCESS), "_9").unwrap().is_complete);
    let other = read(
        &answer("urn:oasis:names:tc:SAML:2.0:status:Responder"),
        "_9",
    );
    assert!(!other.unwrap().is_complete);
    let mut partly = answer(SUCCESS);
    partly.inside = partly.inside.replace(
        "/></p:Status>",
        "><p:StatusCode \
        Value=\"urn:oasis:names:tc:SAML:2.0:status:PartialLogout\"/></p:StatusCode></p:Status>",
    );
    assert!(!read(&partly, "_9").unwrap().is_complete);
    assert!(
        read(&answer(SUCCESS), "_8")
            .unwrap_err()
            .to_string()
            .contains("another request")
    );
    let mut bare = answer(SUCCESS);
    bare.more = String::new();
    assert!(
        read(&bare, "_9")
            .unwrap_err()
            .to_string()
            .contains("another request")
    );
}

#[test]
fn metadata_say_where_to_sign_out_both_ways() {
    let world = world();
    let facts = Xmlsec.facts(&world.parties.metadata).unwrap();
    assert_eq!(facts.sign_out_url.unwrap(), "https://idp.example/slo?at=1");
    let ours = Xmlsec.our_metadata(&world.parties).unwrap();
    assert_eq!(ours.matches("SingleLogoutService ").count(), 2, "{ours}");
    assert_eq!(ours.matches(SLO).count(), 2, "{ours}");
    for services in [
        "",
        "<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"javascript:alert(1)\"/>",
    ] {
        let parties = Parties {
            metadata: metadata(&world.idp, services),
            ..world.parties.clone()
        };
        assert_eq!(Xmlsec.facts(&parties.metadata).unwrap().sign_out_url, None);
        let name = Name::default();
        let asked = Xmlsec.sign_out(&parties, &name, None, "state", now());
        assert!(asked.unwrap_err().to_string().contains("signing out"));
    }
}

#[test]
fn whoever_shall_show_who_they_are_again_is_not_let_in_by_memory() {
    let world = world();
    for (anew, expected) in [(true, true), (false, false)] {
        let begun = Xmlsec.begin(&world.parties, "state", anew).unwrap();
        let url: url::Url = begun.url.parse().unwrap();
        let (_name, message) = url
            .query_pairs()
            .find(|(name, _)| name == "SAMLRequest")
            .unwrap();
        let mut document = String::new();
        use base64::Engine as _;
        use std::io::Read as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(message.as_bytes());
        flate2::read::DeflateDecoder::new(&bytes.unwrap()[..])
            .read_to_string(&mut document)
            .unwrap();
        assert_eq!(
            document.contains("ForceAuthn=\"true\""),
            expected,
            "{document}"
        );
    }
}
