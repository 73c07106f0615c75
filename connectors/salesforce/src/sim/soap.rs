//! SOAP `login()`, for clients that still begin with it. Nothing else of the SOAP API.

use super::oauth::{check_password, open_session};
use super::rest::{Payload, Reply};
use super::state::State;

/// `login()` is gone from this version on.
const GONE_SINCE: u32 = 65;

/// `POST /services/Soap/u/{version}`.
pub(crate) fn login(state: &mut State, version: &str, body: &str, base: &str) -> Reply {
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major >= GONE_SINCE) {
        return fault(
            "UNSUPPORTED_API_VERSION",
            "login() is not available in this API version",
        );
    }
    let (Some(username), Some(password)) = (element(body, "username"), element(body, "password"))
    else {
        return fault("INVALID_OPERATION", "only login() is supported");
    };
    if !check_password(state, &username, &password) {
        let message = "Invalid username, password, security token; or user locked out.";
        return fault("INVALID_LOGIN", message);
    }
    let user = state.integration_user;
    let session = open_session(state, user, None);
    let org = state.org;
    let server = format!("{base}/services/Soap/u/{version}/{}", org.short());
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns=\"urn:partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><loginResponse>\
         <result><metadataServerUrl>{server}</metadataServerUrl>\
         <passwordExpired>false</passwordExpired><sandbox>false</sandbox>\
         <serverUrl>{server}</serverUrl><sessionId>{session}</sessionId><userId>{user}</userId>\
         <userInfo><organizationId>{org}</organizationId>\
         <sessionSecondsValid>7200</sessionSecondsValid><userId>{user}</userId>\
         <userName>{}</userName></userInfo></result></loginResponse></soapenv:Body>\
         </soapenv:Envelope>",
        escape(&username)
    );
    Reply {
        status: 200,
        headers: vec![],
        payload: Payload::Text("text/xml;charset=UTF-8", text),
    }
}

fn fault(code: &str, message: &str) -> Reply {
    let message = escape(message);
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:sf=\"urn:fault.partner.soap.sforce.com\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault>\
         <faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring><detail>\
         <sf:LoginFault xsi:type=\"sf:LoginFault\"><sf:exceptionCode>{code}</sf:exceptionCode>\
         <sf:exceptionMessage>{message}</sf:exceptionMessage></sf:LoginFault></detail>\
         </soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    );
    Reply {
        status: 500,
        headers: vec![],
        payload: Payload::Text("text/xml;charset=UTF-8", text),
    }
}

/// The text of the first element of this name, whatever its prefix.
fn element(xml: &str, name: &str) -> Option<String> {
    let closing = format!("{name}>");
    let mut from = 0;
    while let Some(found) = xml[from..].find(&closing) {
        let start = from + found;
        from = start + closing.len();
        let before = xml[..start].rsplit('<').next()?;
        if before.is_empty() || (before.ends_with(':') && !before.starts_with('/')) {
            let text = xml[from..].split("</").next()?;
            return Some(unescape(text));
        }
    }
    None
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::element;

    #[test]
    fn elements_are_found_with_and_without_a_prefix() {
        let xml = "<a:login><n1:username>u&amp;v</n1:username><password>p&lt;</password></a:login>";
        assert_eq!(element(xml, "username").as_deref(), Some("u&v"));
        assert_eq!(element(xml, "password").as_deref(), Some("p<"));
        assert_eq!(element(xml, "token"), None);
    }
}
