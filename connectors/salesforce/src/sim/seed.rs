//! Data for a fresh organisation: its users, and as many accounts and contacts as wanted. The same
//! number always gives the same data.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::catalog::{PRODUCTS, TIERS};
use super::ids::Id;
use super::store::{DAY, Row, Store, Value};

const FIRST: &[&str] = &[
    "Alpine", "Amber", "Atlas", "Baltic", "Beacon", "Birch", "Blue", "Bright", "Cedar", "Central",
    "Cobalt", "Copper", "Delta", "Eastern", "Echo", "Falcon", "First", "Granite", "Harbor", "Iron",
    "Juniper", "Lake", "Maple", "Meridian", "Northern", "Oak", "Orion", "Pacific", "Pioneer",
    "Quartz", "River", "Sierra", "Silver", "Summit", "Sunrise", "Union", "Valley", "Vertex",
    "Western", "Zenith",
];
const SECOND: &[&str] = &[
    "Analytics",
    "Bank",
    "Biotech",
    "Capital",
    "Casualty",
    "Chemicals",
    "Consulting",
    "Dental",
    "Energy",
    "Foods",
    "Freight",
    "Health",
    "Insurance",
    "Labs",
    "Life",
    "Logistics",
    "Media",
    "Mutual",
    "Networks",
    "Partners",
    "Pharma",
    "Retail",
    "Robotics",
    "Software",
    "Steel",
    "Systems",
    "Telecom",
    "Textiles",
    "Travel",
    "Utilities",
];
const FORM: &[&str] = &["Inc.", "LLC", "Ltd", "GmbH", "Group", "SA", "Co.", "AG"];
/// City, state, postal code, country.
const PLACES: &[[&str; 4]] = &[
    ["Austin", "Texas", "73301", "United States"],
    ["Boston", "Massachusetts", "02108", "United States"],
    ["Chicago", "Illinois", "60601", "United States"],
    ["Denver", "Colorado", "80202", "United States"],
    ["Seattle", "Washington", "98101", "United States"],
    ["Toronto", "Ontario", "M5H 2N2", "Canada"],
    ["Berlin", "Berlin", "10115", "Germany"],
    ["München", "Bayern", "80331", "Germany"],
    ["Zürich", "Zürich", "8001", "Switzerland"],
    ["Lyon", "Auvergne-Rhône-Alpes", "69001", "France"],
    ["São Paulo", "SP", "01001-000", "Brazil"],
    ["大阪市", "大阪府", "530-0001", "Japan"],
];
const STREETS: &[&str] = &[
    "Main Street",
    "Market Street",
    "Park Avenue",
    "Station Road",
    "Hill Lane",
];
const GIVEN: &[&str] = &[
    "Alex", "Bela", "Chris", "Dana", "Elia", "Finn", "Gabi", "Hana", "Ilse", "Jona", "Kim", "Luca",
    "Mika", "Nour", "Olga", "Pat", "Rene", "Sam", "Toni", "Uma", "Vera", "Wim", "Yuri", "Zoë",
];
const FAMILY: &[&str] = &[
    "Andersen", "Baker", "Castro", "Diaz", "Evans", "Fischer", "Garcia", "Huber", "Ito", "Jensen",
    "Kaya", "Lopez", "Martin", "Nguyen", "O'Neill", "Petrov", "Rossi", "Silva", "Tanaka", "Weber",
];
const TITLES: &[&str] = &[
    "Head of Claims",
    "CFO",
    "IT Manager",
    "Director",
    "Buyer",
    "Analyst",
];
const INDUSTRIES: &[&str] = &[
    "Banking",
    "Insurance",
    "Healthcare",
    "Technology",
    "Retail",
    "Energy",
    "Manufacturing",
    "Media",
];
const TYPES: &[&str] = &[
    "Customer - Direct",
    "Customer - Channel",
    "Prospect",
    "Partner",
];

/// One deterministic stream of choices per record.
struct Dice(u64);

impl Dice {
    fn new(seed: u64, index: u64) -> Self {
        Self(seed ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap_or(0)]
    }
}

/// Texts many rows share, stored once.
struct Shared(Vec<(&'static str, Value)>);

impl Shared {
    fn of(&mut self, text: &'static str) -> Value {
        if let Some((_, value)) = self.0.iter().find(|(known, _)| std::ptr::eq(*known, text)) {
            return value.clone();
        }
        let value = Value::text(text);
        self.0.push((text, value.clone()));
        value
    }
}

/// Random letters and digits after a prefix: credentials and tokens.
pub(crate) fn random_text(prefix: &str, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    let letters = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 64)]));
    prefix.chars().chain(letters).collect()
}

/// Creates the users; the first is the one API clients act as, the second works in the browser.
pub(crate) fn users(store: &mut Store, username: &str, now: i64) -> Vec<Id> {
    let table = store.table("User").expect("the catalog has users");
    let table = &mut store.tables[table];
    let born = (now - 400 * DAY).div_euclid(1000) * 1000;
    let mut ids: Vec<Id> = vec![];
    for at in 0..10 {
        let (first, last, name) = match at {
            0 => ("Integration", "User".to_owned(), username.to_owned()),
            1 => (
                "Organization",
                "Admin".to_owned(),
                "admin@syncline.example".to_owned(),
            ),
            _ => (
                "Account",
                format!("Manager {}", at - 1),
                format!("manager{}@syncline.example", at - 1),
            ),
        };
        let id = table.next_id();
        ids.push(id);
        let object = &table.object;
        let mut row = blank(object.slots(), id, born, ids[0]);
        let email = if name.contains('@') {
            name.clone()
        } else {
            format!("{name}@syncline.example")
        };
        for (field, value) in [
            ("Username", Value::text(&name)),
            ("FirstName", Value::text(first)),
            ("LastName", Value::text(&last)),
            ("Email", Value::text(&email)),
            // The last manager has left.
            ("IsActive", Value::Bool(at != 9)),
            ("TimeZoneSidKey", Value::text("Europe/Berlin")),
        ] {
            row.set(object.slot_of(field), value);
        }
        table.put(id, Some(Arc::new(row)));
    }
    ids
}

fn blank(slots: usize, id: Id, at: i64, by: Id) -> Row {
    Row {
        id,
        created: at,
        created_by: by,
        modified: at,
        modified_by: by,
        stamp: at,
        deleted: None,
        values: vec![Value::Null; slots].into_boxed_slice(),
    }
}

/// Adds `count` accounts. Every 50 share one stamp, as after a load by API; some carry what breaks
/// naive clients: quotes, emoji, line breaks, eighteen digits.
pub(crate) fn accounts(store: &mut Store, seed: u64, count: usize, now: i64) {
    let users = active_users(store);
    let table = store.table("Account").expect("the catalog has accounts");
    let table = &mut store.tables[table];
    table.reserve(count);
    let begun = table.live() as u64;
    let slots = Slots::new(
        &table.object,
        &[
            "Name",
            "Type",
            "ParentId",
            "BillingStreet",
            "BillingCity",
            "BillingState",
            "BillingPostalCode",
            "BillingCountry",
            "Phone",
            "Website",
            "Industry",
            "AnnualRevenue",
            "NumberOfEmployees",
            "OwnerId",
            "CSM__c",
            "Products_Owned__c",
            "Tier__c",
            "Health_Score__c",
            "Renewal_Date__c",
            "Active__c",
            "Description",
        ],
    );
    let mut shared = Shared(vec![]);
    let products: Vec<Value> = (1..PRODUCTS.len())
        .map(|many| Value::text(&PRODUCTS[..many].join(";")))
        .collect();
    let base = (now - 30 * DAY).div_euclid(1000) * 1000;
    let today = i32::try_from(now.div_euclid(DAY)).unwrap_or_default();
    let mut previous: Option<Id> = None;
    for index in begun..begun + count as u64 {
        let mut dice = Dice::new(seed, index);
        let id = table.next_id();
        let name = company(&mut dice, index);
        let host: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase();
        let place = PLACES[usize::try_from(dice.below(PLACES.len() as u64)).unwrap_or(0)];
        let mut street = format!("{} {}", 1 + dice.below(900), dice.pick(STREETS));
        if index % 97 == 5 {
            street.push_str("\r\nFloor 3");
        }
        let revenue = match index % 1000 {
            7 => 123_456_789_012_345_678,
            8 => 0,
            9 => -50_000,
            _ => i64::try_from(dice.below(9000) * 100_000).unwrap_or_default(),
        };
        let stamp = base + i64::try_from(index / 50).unwrap_or_default() * 1000;
        let mut row = blank(table.object.slots(), id, stamp, users[0]);
        let score =
            Decimal::new(i64::try_from(dice.below(10_000)).unwrap_or_default(), 2).normalize();
        let values = [
            Value::text(&name),
            shared.of(dice.pick(TYPES)),
            // A chain of five now and then.
            previous
                .filter(|_| index % 40 < 5 && index % 40 > 0)
                .map_or(Value::Null, Value::Id),
            Value::text(&street),
            shared.of(place[0]),
            shared.of(place[1]),
            shared.of(place[2]),
            shared.of(place[3]),
            Value::text(&format!(
                "+1 555 01{:02} {:04}",
                dice.below(100),
                dice.below(10_000)
            )),
            Value::text(&format!("https://www.{host}{index}.example")),
            shared.of(dice.pick(INDUSTRIES)),
            if index % 11 == 3 {
                Value::Null
            } else {
                Value::Num(Decimal::from(revenue))
            },
            Value::Num(Decimal::from(1 + dice.below(50_000))),
            Value::Id(users[usize::try_from(dice.below(users.len() as u64)).unwrap_or(0)]),
            if dice.below(3) == 0 {
                Value::Null
            } else {
                Value::Id(users[users.len() - 1])
            },
            products[usize::try_from(dice.below(products.len() as u64)).unwrap_or(0)].clone(),
            shared.of(dice.pick(TIERS)),
            Value::Num(score),
            Value::Date(today + i32::try_from(dice.below(720)).unwrap_or_default() - 360),
            Value::Bool(dice.below(4) != 0),
            if index % 5 == 0 {
                shared.of("Key account; see the contract for the service levels.")
            } else {
                Value::Null
            },
        ];
        for (slot, value) in slots.0.iter().zip(values) {
            row.set(*slot, value);
        }
        set_defaults(&table.object, &mut row);
        table.put(id, Some(Arc::new(row)));
        previous = Some(id);
    }
}

/// Adds `count` contacts, about two to an account; some belong to none.
pub(crate) fn contacts(store: &mut Store, seed: u64, count: usize, now: i64) {
    let users = active_users(store);
    let table = store.table("Account").expect("the catalog has accounts");
    let accounts: Vec<Id> = store.tables[table]
        .rows()
        .filter(|row| row.deleted.is_none())
        .take(count.max(1))
        .map(|row| row.id)
        .collect();
    let table = store.table("Contact").expect("the catalog has contacts");
    let table = &mut store.tables[table];
    table.reserve(count);
    let begun = table.live() as u64;
    let slots = Slots::new(
        &table.object,
        &[
            "AccountId",
            "FirstName",
            "LastName",
            "Email",
            "Phone",
            "Title",
            "MailingCity",
            "MailingCountry",
            "OwnerId",
            "Primary_Contact__c",
            "HasOptedOutOfEmail",
        ],
    );
    let mut shared = Shared(vec![]);
    let base = (now - 29 * DAY).div_euclid(1000) * 1000;
    for index in begun..begun + count as u64 {
        let mut dice = Dice::new(seed ^ 0xC0, index);
        let id = table.next_id();
        let stamp = base + i64::try_from(index / 50).unwrap_or_default() * 1000;
        let mut row = blank(table.object.slots(), id, stamp, users[0]);
        let (given, family) = (dice.pick(GIVEN), dice.pick(FAMILY));
        let place = PLACES[usize::try_from(dice.below(PLACES.len() as u64)).unwrap_or(0)];
        let ascii: String = format!("{given}.{family}")
            .chars()
            .filter(|c| c.is_ascii_alphabetic() || *c == '.')
            .collect();
        let account = accounts.get(usize::try_from(index / 2).unwrap_or(0) % accounts.len().max(1));
        let values = [
            account
                .filter(|_| index % 50 != 49)
                .map_or(Value::Null, |id| Value::Id(*id)),
            shared.of(given),
            shared.of(family),
            Value::text(&format!("{}{}@mail.example", ascii.to_lowercase(), index)),
            Value::text(&format!(
                "+1 555 02{:02} {:04}",
                dice.below(100),
                dice.below(10_000)
            )),
            shared.of(dice.pick(TITLES)),
            shared.of(place[0]),
            shared.of(place[3]),
            Value::Id(users[usize::try_from(dice.below(users.len() as u64)).unwrap_or(0)]),
            Value::Bool(index % 2 == 0),
            Value::Bool(dice.below(20) == 0),
        ];
        for (slot, value) in slots.0.iter().zip(values) {
            row.set(*slot, value);
        }
        set_defaults(&table.object, &mut row);
        table.put(id, Some(Arc::new(row)));
    }
}

/// The slots of these fields, looked up once.
struct Slots(Vec<usize>);

impl Slots {
    fn new(object: &super::schema::Object, names: &[&str]) -> Self {
        Self(names.iter().map(|name| object.slot_of(name)).collect())
    }
}

/// Checkboxes are never null.
fn set_defaults(object: &super::schema::Object, row: &mut Row) {
    for field in &object.fields {
        let Some(slot) = field.slot() else { continue };
        if field.default == super::schema::Default::False && row.value(slot).is_null() {
            row.set(slot, Value::Bool(false));
        }
    }
}

fn company(dice: &mut Dice, index: u64) -> String {
    let plain = format!(
        "{} {} {index} {}",
        dice.pick(FIRST),
        dice.pick(SECOND),
        dice.pick(FORM)
    );
    match index % 500 {
        11 => format!("{plain} \"The Original\""),
        12 => format!("{plain} 🚀"),
        13 => format!("{plain} \\ Sons"),
        14 => format!("{plain}, O'Hare & Cie"),
        _ => plain,
    }
}

fn active_users(store: &Store) -> Vec<Id> {
    let table = store.table("User").expect("the catalog has users");
    let slot = store.tables[table].object.slot_of("IsActive");
    let rows = store.tables[table]
        .rows()
        .filter(|row| *row.value(slot) == Value::Bool(true));
    rows.map(|row| row.id).collect()
}
