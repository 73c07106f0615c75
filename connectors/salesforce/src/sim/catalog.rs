//! The objects a fresh organisation has.

use super::schema::{Field, FieldType as T, Object, Source};

const INDUSTRIES: &[&str] = &[
    "Agriculture",
    "Banking",
    "Chemicals",
    "Construction",
    "Consulting",
    "Education",
    "Energy",
    "Finance",
    "Government",
    "Healthcare",
    "Insurance",
    "Manufacturing",
    "Media",
    "Retail",
    "Technology",
    "Telecommunications",
    "Transportation",
    "Utilities",
    "Other",
];
const ACCOUNT_TYPES: &[&str] = &[
    "Prospect",
    "Customer - Direct",
    "Customer - Channel",
    "Partner",
    "Competitor",
    "Other",
];
const SOURCES: &[&str] = &[
    "Web",
    "Phone Inquiry",
    "Partner Referral",
    "Purchased List",
    "Other",
];
pub(crate) const PRODUCTS: &[&str] = &["Billing", "Claims", "CRM", "Mobile", "Payments", "Portal"];
pub(crate) const TIERS: &[&str] = &["Platinum", "Gold", "Silver", "Bronze"];
const STAGES: &[&str] = &[
    "Prospecting",
    "Qualification",
    "Proposal/Price Quote",
    "Closed Won",
    "Closed Lost",
];
const SALUTATIONS: &[&str] = &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof."];

fn text(name: &str, length: usize) -> Field {
    Field::new(name, T::String).length(length)
}

fn hub_id() -> Field {
    text("Hub_Id__c", 64).external_id(true)
}

fn master(object: &str) -> Field {
    Field::new("MasterRecordId", T::Reference)
        .to(object)
        .read_only()
}

/// The parts of an address, then the address itself.
fn address(fields: &mut Vec<Field>, kind: &str) {
    let compound = format!("{kind}Address");
    let part = |name: &str| format!("{kind}{name}");
    let parts = [
        Field::new(&part("Street"), T::TextArea),
        text(&part("City"), 40),
        text(&part("State"), 80),
        text(&part("PostalCode"), 20),
        text(&part("Country"), 80),
        Field::new(&part("Latitude"), T::Double).digits(18, 15),
        Field::new(&part("Longitude"), T::Double).digits(18, 15),
    ];
    fields.extend(parts.map(|field| field.part_of(&compound)));
    fields.push(Field::new(&compound, T::Address).read_only());
}

/// Points the compound fields at the slots of their parts.
fn link(mut object: Object) -> Object {
    const PARTS: [&str; 7] = [
        "Street",
        "City",
        "State",
        "PostalCode",
        "Country",
        "Latitude",
        "Longitude",
    ];
    for at in 0..object.fields.len() {
        if object.fields[at].kind == T::Address {
            let kind = object.fields[at]
                .name
                .trim_end_matches("Address")
                .to_owned();
            let slots = PARTS.map(|part| object.slot_of(&format!("{kind}{part}")));
            object.fields[at].source = Source::Address(slots);
        }
    }
    object
}

fn account() -> Object {
    let mut fields = vec![
        master("Account"),
        text("Name", 255).required(),
        Field::new("Type", T::Picklist).values(ACCOUNT_TYPES, false),
        Field::new("ParentId", T::Reference).to("Account"),
    ];
    address(&mut fields, "Billing");
    address(&mut fields, "Shipping");
    fields.extend([
        Field::new("Phone", T::Phone),
        Field::new("Website", T::Url),
        Field::new("Industry", T::Picklist).values(INDUSTRIES, false),
        Field::new("AnnualRevenue", T::Currency).digits(18, 0),
        Field::new("NumberOfEmployees", T::Int),
        Field::new("Description", T::TextArea).length(32_000),
        Field::new("OwnerId", T::Reference)
            .to("User")
            .owned_by_caller(),
        Field::new("AccountSource", T::Picklist).values(SOURCES, false),
        Field::new("LastActivityDate", T::Date).read_only(),
        hub_id(),
        text("Legacy_Id__c", 40).external_id(false),
        Field::new("CSM__c", T::Reference).to("User"),
        Field::new("Products_Owned__c", T::MultiPicklist).values(PRODUCTS, true),
        Field::new("Tier__c", T::Picklist).values(TIERS, true),
        Field::new("Health_Score__c", T::Double).digits(5, 2),
        Field::new("Renewal_Date__c", T::Date),
        Field::new("Last_Review__c", T::DateTime),
        Field::new("Active__c", T::Boolean),
        Field::new("Notes__c", T::TextArea).length(131_072),
    ]);
    let mut object = link(Object::new("Account", "Accounts", *b"001", fields));
    object.etag = true;
    object
}

fn contact() -> Object {
    let mut fields = vec![
        master("Contact"),
        Field::new("AccountId", T::Reference)
            .to("Account")
            .cascade(),
        text("LastName", 80).required().part_of("Name"),
        text("FirstName", 40).part_of("Name"),
        Field::new("Salutation", T::Picklist)
            .values(SALUTATIONS, false)
            .part_of("Name"),
    ];
    address(&mut fields, "Mailing");
    fields.extend([
        Field::new("Phone", T::Phone),
        Field::new("MobilePhone", T::Phone),
        Field::new("ReportsToId", T::Reference).to("Contact"),
        Field::new("Email", T::Email),
        text("Title", 128),
        text("Department", 80),
        Field::new("LeadSource", T::Picklist).values(SOURCES, false),
        Field::new("OwnerId", T::Reference)
            .to("User")
            .owned_by_caller(),
        Field::new("HasOptedOutOfEmail", T::Boolean),
        Field::new("DoNotCall", T::Boolean),
        text("EmailBouncedReason", 255).read_only(),
        Field::new("IsEmailBounced", T::Boolean).read_only(),
        hub_id(),
        Field::new("Primary_Contact__c", T::Boolean),
    ]);
    let mut object = link(Object::new("Contact", "Contacts", *b"003", fields));
    person_name(&mut object, &["Salutation", "FirstName", "LastName"]);
    object
}

fn opportunity() -> Object {
    let closed = Field::new("StageName", T::Picklist)
        .values(STAGES, false)
        .required();
    let mut object = Object::new(
        "Opportunity",
        "Opportunities",
        *b"006",
        vec![
            Field::new("AccountId", T::Reference)
                .to("Account")
                .cascade(),
            text("Name", 120).required(),
            closed,
            Field::new("Amount", T::Currency),
            Field::new("Probability", T::Percent).digits(3, 0),
            Field::new("CloseDate", T::Date).required(),
            Field::new("Type", T::Picklist).values(&["New Business", "Renewal", "Upgrade"], false),
            text("NextStep", 255),
            Field::new("OwnerId", T::Reference)
                .to("User")
                .owned_by_caller(),
            hub_id(),
        ],
    );
    let stage = object.slot_of("StageName");
    for (name, stages) in [("IsClosed", &STAGES[3..]), ("IsWon", &STAGES[3..4])] {
        let stages = stages.iter().map(|&stage| stage.to_owned()).collect();
        let field = Field::new(name, T::Boolean).derived(Source::OneOf(stage, stages));
        object.push(field);
    }
    object
}

fn user() -> Object {
    let mut object = Object::new(
        "User",
        "Users",
        *b"005",
        vec![
            text("Username", 80).required(),
            text("LastName", 80).required().part_of("Name"),
            text("FirstName", 40).part_of("Name"),
            Field::new("Email", T::Email).required(),
            Field::new("IsActive", T::Boolean),
            Field::new("ManagerId", T::Reference).to("User"),
            text("TimeZoneSidKey", 40),
            text("FederationIdentifier", 512),
        ],
    );
    object.deletable = false;
    object.fields.retain(|field| field.name != "IsDeleted");
    person_name(&mut object, &["FirstName", "LastName"]);
    object
}

fn person_name(object: &mut Object, parts: &[&str]) {
    let slots = parts.iter().map(|part| object.slot_of(part)).collect();
    object.push(text("Name", 121).required().derived(Source::Joined(slots)));
}

/// Account, Contact, Opportunity, User; in this order.
pub(crate) fn objects() -> Vec<Object> {
    vec![account(), contact(), opportunity(), user()]
}
