//! Two complete demo tenants: brands, teams, partners, people of every role, accounts and contacts
//! that are assigned to them. Different in all they hold, so that a leak between them shows.

use std::collections::BTreeMap;

use engine::entity::CoreTables;
use engine::ids::{AccountId, PartnerId, TenantId, UserId};
use engine::sdk::Value;
use engine::store::audit::{Acting, Actor};
use engine::store::quotas::{self, Quotas};
use engine::{Store, StoreError, Tx};

use crate::assignments::{self, Holder};
use crate::entities::{self, Refusal};
use crate::permissions::Permissions;
use crate::teams::{self, TeamWish};
use crate::tenants::brands::{self, BrandWish};
use crate::tenants::settings::{self, Settings};
use crate::tenants::{self, BadColour, NewTenant};
use crate::users::{self, NewUser, PersonWish, Role, people};

/// What a demo tenant is made of.
struct Plan {
    name: &'static str,
    /// Of its people and brands; reserved for examples.
    domain: &'static str,
    locale: &'static str,
    time_zone: &'static str,
    accent: &'static str,
    industries: [&'static str; 3],
    cities: [(&'static str, &'static str); 3],
    first: [&'static str; 6],
    last: [&'static str; 6],
}

const PLANS: [Plan; 2] = [
    Plan {
        name: "Demo North",
        domain: "north.example",
        locale: "en",
        time_zone: "Europe/Berlin",
        accent: "#0b5cad",
        industries: ["Energy", "Logistics", "Machinery"],
        cities: [
            ("Hamburg", "Germany"),
            ("Oslo", "Norway"),
            ("Gdansk", "Poland"),
        ],
        first: ["Anna", "Jonas", "Mia", "Erik", "Lena", "Tom"],
        last: ["Berg", "Hansen", "Krause", "Lind", "Novak", "Voss"],
    },
    Plan {
        name: "Demo South",
        domain: "south.example",
        locale: "es",
        time_zone: "America/Bogota",
        accent: "#8a2b06",
        industries: ["Coffee", "Textiles", "Tourism"],
        cities: [
            ("Medellin", "Colombia"),
            ("Lima", "Peru"),
            ("Quito", "Ecuador"),
        ],
        first: ["Camila", "Diego", "Elena", "Mateo", "Sofia", "Pablo"],
        last: ["Castro", "Duarte", "Flores", "Mejia", "Ortiz", "Rojas"],
    },
];

const ACCOUNTS: usize = 24;

/// A tenant that was made.
#[derive(Clone, Debug)]
pub struct Seeded {
    pub id: TenantId,
    pub name: String,
    pub accounts: usize,
    pub contacts: usize,
    /// Addresses to sign in with.
    pub people: Vec<String>,
}

/// Why the demo tenants were not made.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Entity(#[from] Refusal),
    #[error(transparent)]
    Colour(#[from] BadColour),
}

/// Makes the demo tenants that are not there yet; all their people sign in with the password of this
/// hash, once. Each tenant is made whole or not at all.
///
/// # Errors
/// [`SeedError`].
pub async fn seed(
    store: &Store,
    tables: &CoreTables,
    password_hash: &str,
) -> Result<Vec<Seeded>, SeedError> {
    let mut made = Vec::new();
    for plan in &PLANS {
        let mut system = store.begin_system().await?;
        let known = tenants::all(&mut system).await?;
        drop(system);
        if known.iter().any(|tenant| tenant.name == plan.name) {
            continue;
        }
        let id = TenantId::fresh();
        let mut tx = store.begin(id).await?;
        tx.act_as(Acting {
            actor: Actor::System {
                name: "seed".to_owned(),
            },
            address: None,
            request: None,
            otherwise: None,
        });
        let seeded = tenant(&mut tx, tables, plan, password_hash).await?;
        tx.commit().await?;
        let mut system = store.begin_system().await?;
        let most = Quotas {
            records: Some(100_000),
            connections: Some(10),
            storage: Some(10 << 20),
            calls_per_day: Some(1_000_000),
            version: 0,
        };
        quotas::set(&mut system, id, &most).await?;
        system.commit().await?;
        made.push(seeded);
    }
    Ok(made)
}

async fn tenant(
    tx: &mut Tx,
    tables: &CoreTables,
    plan: &Plan,
    password_hash: &str,
) -> Result<Seeded, SeedError> {
    let new = NewTenant {
        name: plan.name.to_owned(),
        environment: "demo".to_owned(),
    };
    tenants::create(tx, &new).await?;
    faces(tx, plan).await?;
    let mut addresses = Vec::new();
    let mut staff: BTreeMap<&str, UserId> = BTreeMap::new();
    for role in Role::ALL {
        let email = format!("{role}@{}", plan.domain);
        let user = NewUser {
            tenant: tx.tenant(),
            email: email.clone(),
            name: format!(
                "{} {}",
                plan.first[addresses.len() % 6],
                plan.last[addresses.len() % 6]
            ),
            role,
            password_hash: password_hash.to_owned(),
            must_change_password: true,
        };
        staff.insert(role.as_str(), users::create(tx, &user).await?);
        addresses.push(email);
    }
    let partner = teams::create_partner(tx, &format!("Partners of {}", plan.name)).await?;
    let admin = staff["admin"];
    let (accounts, contacts) = customers(tx, tables, plan, admin).await?;
    let tiers = TeamWish {
        name: "First tier".to_owned(),
        members: BTreeMap::from([(staff["manager"], true), (staff["agent"], false)]),
    };
    let team = teams::create(tx, &tiers).await?;
    let second = TeamWish {
        name: "Second tier".to_owned(),
        members: BTreeMap::from([(staff["manager"], true), (staff["csm"], false)]),
    };
    teams::create(tx, &second).await?;
    for (number, account) in accounts.iter().enumerate() {
        let holder = match number % 3 {
            0 => Holder::User(staff["csm"]),
            1 => Holder::Team(team),
            _ => Holder::Partner(partner),
        };
        assignments::assign(tx, *account, holder, admin).await?;
    }
    belong(tx, staff["partner"], None, Some(partner)).await?;
    for role in ["customer_admin", "customer_manager", "customer_user"] {
        belong(tx, staff[role], accounts.first().copied(), None).await?;
    }
    Ok(Seeded {
        id: tx.tenant(),
        name: plan.name.to_owned(),
        accounts: accounts.len(),
        contacts,
        people: addresses,
    })
}

async fn faces(tx: &mut Tx, plan: &Plan) -> Result<(), SeedError> {
    let brand = |name: String, domain: String, is_default: bool| -> Result<BrandWish, BadColour> {
        Ok(BrandWish {
            name,
            domain: Some(domain),
            is_default,
            accent: plan.accent.parse()?,
            on_accent: "#ffffff".parse()?,
            background: "#ffffff".parse()?,
            foreground: "#1a1a1a".parse()?,
        })
    };
    let main = brand(
        plan.name.to_owned(),
        format!("portal.{}", plan.domain),
        true,
    )?;
    brands::create(tx, &main).await?;
    let name = format!("{} Help", plan.name);
    let help = brand(name, format!("help.{}", plan.domain), false)?;
    brands::create(tx, &help).await?;
    let wish = Settings {
        locale: plan.locale.to_owned(),
        time_zone: plan.time_zone.to_owned(),
        contact_email: Some(format!("help@{}", plan.domain)),
        origins: vec![format!("https://www.{}", plan.domain)],
        deletion_needs_approval: true,
    };
    settings::change(tx, 0, &wish).await?;
    Ok(())
}

async fn customers(
    tx: &mut Tx,
    tables: &CoreTables,
    plan: &Plan,
    by: UserId,
) -> Result<(Vec<AccountId>, usize), SeedError> {
    let text = |text: String| Value::Text(text);
    let (mut accounts, mut contacts) = (Vec::new(), 0);
    for number in 0..ACCOUNTS {
        let name = format!("{} {}", plan.last[number % 6], plan.industries[number % 3]);
        let (city, country) = plan.cities[number % 3];
        let fields = BTreeMap::from([
            ("name".to_owned(), text(format!("{name} {}", number + 1))),
            (
                "industry".to_owned(),
                text(plan.industries[number % 3].to_owned()),
            ),
            ("billing_city".to_owned(), text(city.to_owned())),
            ("billing_country".to_owned(), text(country.to_owned())),
            (
                "employees".to_owned(),
                Value::from((number as i64 + 1) * 25),
            ),
        ]);
        let account = entities::create(tx, tables, "account", fields, by).await?;
        for place in 0..=number % 2 {
            let (first, last) = (
                plan.first[(number + place) % 6],
                plan.last[(number + 2) % 6],
            );
            let email = format!("{first}.{last}.{number}{place}@{}", plan.domain).to_lowercase();
            let fields = BTreeMap::from([
                ("first_name".to_owned(), text(first.to_owned())),
                ("last_name".to_owned(), text(last.to_owned())),
                ("email".to_owned(), text(email)),
                ("account".to_owned(), text(AccountId(account.0).to_string())),
            ]);
            entities::create(tx, tables, "contact", fields, by).await?;
            contacts += 1;
        }
        accounts.push(AccountId(account.0));
    }
    Ok((accounts, contacts))
}

async fn belong(
    tx: &mut Tx,
    user: UserId,
    account: Option<AccountId>,
    partner: Option<PartnerId>,
) -> Result<(), StoreError> {
    let person = people::get(tx, user).await?;
    let wish = PersonWish {
        account,
        partner,
        grants: Permissions::NONE,
        ..PersonWish::of(&person)
    };
    people::change(tx, &person, person.version, &wish).await
}
