//! What becomes of somebody whom a provider has recognised: the user they are, the user they become,
//! or nobody.

use engine::ids::UserId;
use engine::store::audit::Entry;
use engine::{StoreError, Tx};
use serde_json::json;

use super::{Arrival, Provider, Refusal, Standing, identities};
use crate::groups;
use crate::users::{self, Person, PersonWish, Side, User, UserState, people, provisioned};

/// Lets somebody in: finds the user, links them by a verified address, or makes them.
///
/// # Errors
/// [`StoreError`]; the inner one says why nobody is let in, and nothing was changed.
pub async fn arrive(
    tx: &mut Tx,
    provider: &Provider,
    arrival: &Arrival,
) -> Result<Result<User, Refusal>, StoreError> {
    // Somebody who comes for the first time, twice at once, becomes one user.
    let key = format!("{}/{}/{}", provider.id, arrival.issuer, arrival.subject);
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 7))", key)
        .execute(tx.conn())
        .await?;
    let admission = &provider.config.admission;
    if let Err(refusal) = admission.admit(arrival) {
        return Ok(Err(refusal));
    }
    if let Some(known) = identities::find(tx, provider.id, arrival).await? {
        let person = people::get(tx, known.user).await?;
        if person.state == UserState::Deactivated {
            return Ok(Err(Refusal::Deactivated));
        }
        if known.provisioned
            && let Err(refusal) = follow(tx, provider, arrival, &person).await?
        {
            return Ok(Err(refusal));
        }
        identities::used(tx, known.id).await?;
        return let_in(tx, &person).await.map(Ok);
    }
    let email = match admission.address(arrival) {
        Ok(email) => email.to_owned(),
        Err(refusal) => return Ok(Err(refusal)),
    };
    match provisioned::find_by_email(tx, &email).await? {
        Some(user) => by_address(tx, provider, arrival, user).await,
        None if !admission.provision => Ok(Err(Refusal::Unknown)),
        None => make(tx, provider, arrival, &email).await,
    }
}

/// What would become of somebody, for a test sign-in; nothing is changed.
///
/// # Errors
/// As [`arrive`].
pub async fn preview(
    tx: &mut Tx,
    provider: &Provider,
    arrival: &Arrival,
) -> Result<Result<Standing, Refusal>, StoreError> {
    let admission = &provider.config.admission;
    let decided = admission.admit(arrival).and_then(|()| {
        // Of somebody who is linked the address does not matter; of others it does.
        admission.address(arrival).map(|_email| ())
    });
    match decided {
        Err(refusal) => Ok(Err(refusal)),
        Ok(()) => standing(tx, provider, arrival).await,
    }
}

/// Links somebody who is signed in here to who they are there; whatever their address is.
///
/// # Errors
/// As [`arrive`].
pub async fn link(
    tx: &mut Tx,
    provider: &Provider,
    arrival: &Arrival,
    user: UserId,
) -> Result<Result<(), Refusal>, StoreError> {
    if let Err(refusal) = provider.config.admission.admit(arrival) {
        return Ok(Err(refusal));
    }
    let is_linked = match identities::find(tx, provider.id, arrival).await? {
        Some(known) if known.user == user => return Ok(Ok(())),
        Some(_of_another) => true,
        None => identities::is_linked(tx, provider.id, user).await?,
    };
    if is_linked {
        return Ok(Err(Refusal::LinkedOtherwise));
    }
    identities::link(tx, provider.id, user, arrival, false).await?;
    Ok(Ok(()))
}

async fn by_address(
    tx: &mut Tx,
    provider: &Provider,
    arrival: &Arrival,
    user: UserId,
) -> Result<Result<User, Refusal>, StoreError> {
    let person = people::get(tx, user).await?;
    let ceiling = provider.config.admission.ceiling.permissions();
    if person.state == UserState::Deactivated {
        return Ok(Err(Refusal::Deactivated));
    }
    // A provider that says it is the admin must not become the admin.
    if !person.permissions.beyond(ceiling).is_empty() {
        return Ok(Err(Refusal::AboveCeiling));
    }
    // An address that was given to somebody else there.
    if identities::is_linked(tx, provider.id, user).await? {
        return Ok(Err(Refusal::LinkedOtherwise));
    }
    identities::link(tx, provider.id, user, arrival, false).await?;
    let_in(tx, &person).await.map(Ok)
}

async fn make(
    tx: &mut Tx,
    provider: &Provider,
    arrival: &Arrival,
    email: &str,
) -> Result<Result<User, Refusal>, StoreError> {
    let standing = match standing(tx, provider, arrival).await? {
        Ok(standing) => standing,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let wish = PersonWish {
        name: arrival.name.clone().unwrap_or_else(|| email.to_owned()),
        role: standing.role,
        groups: standing.groups,
        grants: crate::permissions::Permissions::NONE,
        scope: None,
        account: None,
        partner: None,
    };
    // An address of another tenant's user, which must not show.
    let Some(id) = provisioned::make(tx, email, &wish).await? else {
        return Ok(Err(Refusal::Taken));
    };
    identities::link(tx, provider.id, id, arrival, true).await?;
    let person = people::get(tx, id).await?;
    Ok(Ok(person.user))
}

/// Makes a user whom the provider made what the provider says they are now.
async fn follow(
    tx: &mut Tx,
    provider: &Provider,
    arrival: &Arrival,
    person: &Person,
) -> Result<Result<(), Refusal>, StoreError> {
    let standing = match standing(tx, provider, arrival).await? {
        Ok(standing) => standing,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let wish = PersonWish {
        name: arrival
            .name
            .clone()
            .unwrap_or_else(|| person.user.name.clone()),
        role: standing.role,
        groups: standing.groups,
        grants: person.grants,
        // What an admin of the hub set stays as far as the role can have it.
        scope: person
            .scope_set
            .filter(|scope| standing.role.can_have(*scope)),
        account: person
            .account
            .filter(|_| standing.role.side() == Side::Customer),
        partner: person
            .partner
            .filter(|_| standing.role.side() == Side::Partner),
    };
    let is_same = wish.role == person.user.role
        && wish.groups == person.groups
        && wish.name == person.user.name;
    if is_same {
        return Ok(Ok(()));
    }
    match people::change(tx, person, person.version, &wish).await {
        // The last admin stays one, whatever the provider says.
        Err(StoreError::Conflict(why)) => {
            tracing::warn!(user.id = %person.user.id, why, "a user's role was kept");
            Ok(Ok(()))
        }
        done => done.map(Ok),
    }
}

async fn standing(
    tx: &mut Tx,
    provider: &Provider,
    arrival: &Arrival,
) -> Result<Result<Standing, Refusal>, StoreError> {
    // Those of customers' organisations are given by their administrators alone.
    let mut groups = groups::list(tx).await?;
    groups.retain(|group| group.account.is_none());
    Ok(provider.config.admission.standing(arrival, |id| {
        let group = groups.iter().find(|group| group.id == id);
        group.map(|group| group.permissions)
    }))
}

/// The user as they are now; somebody invited needs no password any more.
async fn let_in(tx: &mut Tx, person: &Person) -> Result<User, StoreError> {
    if person.state == UserState::Invited {
        provisioned::activate(tx, person.user.id).await?;
        tx.audit(
            Entry::new("activate_user", "user", person.user.id)
                .before(json!({"state": "invited"}))
                .after(json!({"state": "active"})),
        );
    }
    let user = people::get(tx, person.user.id).await?.user;
    Ok(users::User {
        // That is about passwords.
        must_change_password: false,
        ..user
    })
}
