//! The permission of a route is what its handler takes: the first argument of every handler is a
//! [`Guard`]. [`routes!`] reads it from the handler's type and writes it into the OpenAPI document,
//! so that what is documented, listed in `permissions.md` and checked is one thing.

use axum::extract::Extension;
use axum::routing::MethodRouter;
use domain::permissions::Permission;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation as Described, PathItem};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::portal::Portal;

/// Where the document holds who may call an operation.
pub(crate) const EXTENSION: &str = "x-permission";

/// Where it holds that password or second factor must have been shown just now.
pub(crate) const STEP_UP: &str = "x-step-up";

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody.
    Open,
    /// Whoever is signed in: it is about themselves.
    Own,
    /// Whoever looks after all tenants: no permission of a tenant's.
    Platform,
    /// Whoever has this permission.
    Needs(Permission),
}

impl Access {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Own => "own",
            Self::Platform => "platform",
            Self::Needs(permission) => permission.as_str(),
        }
    }
}

/// An extractor that decides who may call.
pub(crate) trait Guard {
    const ACCESS: Access;
    /// Whether a person must have shown password or second factor just now.
    const STEP_UP: bool = false;
}

/// What a handler asks of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asks {
    pub(crate) access: Access,
    pub(crate) step_up: bool,
}

/// A handler whose first argument is a [`Guard`].
pub(crate) trait Guarded<Arguments> {
    const ASKS: Asks;
}

macro_rules! guarded {
    ($($argument:ident)*) => {
        impl<F, R, G, $($argument),*> Guarded<(G, $($argument,)*)> for F
        where
            F: Fn(G, $($argument),*) -> R,
            G: Guard,
        {
            const ASKS: Asks = Asks {
                access: G::ACCESS,
                step_up: G::STEP_UP,
            };
        }
    };
}

guarded!();
guarded!(A);
guarded!(A B);
guarded!(A B C);
guarded!(A B C D);
guarded!(A B C D E);

/// Who may call this handler.
pub(crate) fn asks_of<Arguments, F: Guarded<Arguments>>(_handler: F) -> Asks {
    F::ASKS
}

/// What is being called; in the extensions of its requests.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) id: String,
    /// The noun it belongs to.
    pub(crate) tag: String,
}

/// The routes of some handlers, which share a path: as `utoipa_axum::routes!`, with who may call.
macro_rules! routes {
    ($($first:ident $(:: $rest:ident)*),+ $(,)?) => {
        $crate::permit::join([$(
            $crate::permit::declare(
                ::utoipa_axum::routes!($first $(:: $rest)*),
                $crate::permit::asks_of($first $(:: $rest)*),
            )
        ),+])
    };
}
pub(crate) use routes;

/// Writes who may call into the description of one route.
pub(crate) fn declare(route: UtoipaMethodRouter<Portal>, asks: Asks) -> UtoipaMethodRouter<Portal> {
    let (schemas, mut paths, mut router) = route;
    for item in paths.paths.values_mut() {
        for described in operations(item) {
            let operation = Operation {
                id: described.operation_id.clone().unwrap_or_default(),
                tag: described
                    .tags
                    .as_ref()
                    .and_then(|tags| tags.first().cloned())
                    .unwrap_or_default(),
            };
            let mut mark = Extensions::builder().add(EXTENSION, asks.access.as_str());
            if asks.step_up {
                mark = mark.add(STEP_UP, true);
            }
            described.extensions = Some(mark.build());
            router = router.layer(Extension(operation));
        }
    }
    (schemas, paths, router)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Described> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .flatten()
}

/// Several routes of one path as one.
pub(crate) fn join<const N: usize>(
    routes: [UtoipaMethodRouter<Portal>; N],
) -> UtoipaMethodRouter<Portal> {
    let empty = (Vec::new(), Default::default(), MethodRouter::new());
    routes.into_iter().fold(empty, |joined, route| {
        let (mut schemas, mut paths, router): UtoipaMethodRouter<Portal> = joined;
        schemas.extend(route.0);
        for (path, item) in route.1.paths {
            match paths.paths.get_mut(&path) {
                Some(there) => there.merge_operations(item),
                None => drop(paths.paths.insert(path, item)),
            }
        }
        (schemas, paths, router.merge(route.2))
    })
}
