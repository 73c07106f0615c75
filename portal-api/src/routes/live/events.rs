use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use engine::feed::Notice;
use engine::ids::TenantId;
use futures::Stream;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;

use crate::caller::Caller;

/// A thing that is not as it was: read it again if it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    /// run, connection, stream, mapping, schedule, account, contact, conflict or overview
    topic: String,
    /// Null where so much changed that it is not named.
    id: Option<String>,
}

/// Changes as they happen (server-sent events)
///
/// `event: changed` carries a thing that changed; `event: gap` says that some were missed and
/// everything shown should be read again.
#[utoipa::path(
    get, path = "/events", operation_id = "events", tag = "live",
    responses((
        status = 200, description = "A stream that does not end",
        body = Changed, content_type = "text/event-stream",
    )),
)]
pub(super) async fn events(
    caller: Caller,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    let news = changes(&caller);
    Sse::new(news).keep_alive(
        KeepAlive::new()
            .interval(Duration::from_secs(15))
            .text("alive"),
    )
}

/// How long a stream lives: the session is asked for again when the browser comes back.
const LONGEST: Duration = Duration::from_secs(600);

fn changes(caller: &Caller) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let (tenant, user) = (
        caller.session.user.tenant,
        caller.session.user.id.to_string(),
    );
    let mut notices = caller.portal().store.feed().subscribe();
    async_stream::stream! {
        let end = tokio::time::sleep(LONGEST);
        tokio::pin!(end);
        let mut count: u64 = 0;
        loop {
            let notice = tokio::select! {
                () = &mut end => break,
                notice = notices.recv() => notice,
            };
            if notice.as_ref().is_ok_and(|notice| is_about(notice, &user)) {
                break;
            }
            let Some(event) = (match notice {
                Ok(notice) => show(tenant, notice),
                Err(RecvError::Lagged(_)) => Some(gap()),
                Err(RecvError::Closed) => break,
            }) else { continue };
            count += 1;
            yield Ok(event.id(count.to_string()));
        }
    }
}

/// Whether the caller was changed: they may have been deactivated, or may see less. The browser comes
/// back at once, if it may.
fn is_about(notice: &Notice, user: &str) -> bool {
    let Notice::Changed(changed) = notice else {
        return false;
    };
    changed.topic == "user" && changed.id.as_deref() == Some(user)
}

fn show(tenant: TenantId, notice: Notice) -> Option<Event> {
    match notice {
        Notice::Gap => Some(gap()),
        Notice::Changed(changed) if changed.tenant == tenant => {
            let changed = Changed {
                topic: changed.topic,
                id: changed.id,
            };
            Event::default().event("changed").json_data(changed).ok()
        }
        Notice::Changed(_) => None,
    }
}

fn gap() -> Event {
    Event::default().event("gap").data("{}")
}
