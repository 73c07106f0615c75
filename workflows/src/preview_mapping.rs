//! Says what a version of a mapping would do, part by part: each part's records can be read as soon
//! as it is done. At the end some records are read from the system itself, which snapshots may be
//! behind of.

use domain::previews::{PREVIEW_WORKFLOW, PreviewInput};
use engine::Tx;
use engine::budget::Lane;
use engine::ids::PreviewId;
use engine::outcomes::{Part, Totals};
use engine::runtime::{Counts, Progress, Run, RunError, StepCx, StepError, TxStep, Workflow};
use engine::sdk::{Record, StreamName};
use engine::store::plans::{self, Plan};
use engine::store::previews::{self, Live};
use engine::store::{mappings, snapshots};
use engine::sync::preview;
use serde::{Deserialize, Serialize};

use crate::handed::Handed;
use crate::hub::{Hub, sync_error};

/// Records of the first part: the first page of whoever waits.
const FIRST: i64 = 100;
/// Records of each further part.
const PART: i64 = 1_000;

/// See the module.
pub struct PreviewMapping;

impl Workflow for PreviewMapping {
    const NAME: &'static str = PREVIEW_WORKFLOW;
    type Input = PreviewInput;
    type Output = Totals;

    async fn run(cx: &mut Run, input: PreviewInput) -> Result<Totals, RunError> {
        let mut so_far = Seen::default();
        for number in 0_u64.. {
            let part = LookAtPart {
                preview: input.preview,
                number,
                so_far: so_far.clone(),
            };
            so_far = cx.tx(part).await?;
            let totals = &so_far.part.totals;
            cx.progress(Progress {
                done: totals.read,
                total: so_far.expected,
                unit: "records".to_owned(),
            });
            if so_far.part.next.is_none() {
                break;
            }
        }
        cx.counts(Counts {
            read: so_far.part.totals.read,
            ..Counts::default()
        });
        cx.tx(LookLive {
            preview: input.preview,
            rows: so_far.rows,
            found: Handed::default(),
        })
        .await?;
        Ok(so_far.part.totals)
    }
}

/// How far a preview has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Seen {
    part: Part,
    /// Records that were stored for people.
    rows: i64,
    expected: Option<u64>,
}

/// The plan that a preview is of.
async fn draft(tx: &mut Tx, id: PreviewId) -> Result<Plan, StepError> {
    let preview = previews::find(tx, id).await?;
    let mapping = mappings::get(tx, preview.mapping).await?;
    let version = mappings::version(tx, preview.mapping, preview.version).await?;
    let (connection, stream) = (mapping.connection_id, mapping.stream.as_str());
    Ok(plans::drafted(tx, connection, stream, version.version, &version.body).await?)
}

struct LookAtPart {
    preview: PreviewId,
    number: u64,
    so_far: Seen,
}

impl TxStep for LookAtPart {
    const NAME: &'static str = "look_at_part";
    type Output = Seen;

    fn key(&self) -> String {
        self.number.to_string()
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Seen, StepError> {
        let hub = Hub::of(cx)?;
        let draft = draft(tx, self.preview).await?;
        let mut seen = self.so_far.clone();
        if self.number == 0 {
            let (connection, stream) = (draft.connection, draft.stream.as_str());
            let version = draft.mapping_version;
            let count = snapshots::count_outdated(tx, connection, stream, version).await?;
            seen.expected = u64::try_from(count).ok();
        }
        let after = seen.part.next.take().unwrap_or_default();
        let limit = if self.number == 0 { FIRST } else { PART };
        let mut looked = preview::look(tx, &hub.tables, draft, &after, limit)
            .await
            .map_err(sync_error)?;
        seen.part.totals.add(looked.part.totals);
        seen.part.digest.add(looked.part.digest);
        seen.part.next = looked.part.next;
        looked.outcomes.retain(|outcome| !outcome.is_quiet());
        previews::insert_rows(tx, self.preview, seen.rows + 1, false, &looked.outcomes).await?;
        seen.rows += i64::try_from(looked.outcomes.len()).unwrap_or(0);
        previews::note(tx, self.preview, &seen.part).await?;
        tx.changed("preview", self.preview);
        Ok(seen)
    }
}

/// Reads some records again and looks at them. What the system refuses is told and is no failure of
/// the preview.
struct LookLive {
    preview: PreviewId,
    rows: i64,
    /// Read by `prepare`, looked at by `run`.
    found: Handed<Found>,
}

/// Keys and the records that the system has for them, or why it did not say.
struct Found {
    keys: Vec<String>,
    records: Result<Vec<Option<Record>>, String>,
}

impl TxStep for LookLive {
    const NAME: &'static str = "look_live";
    type Output = Option<Live>;

    async fn prepare(&self, cx: &StepCx) -> Result<(), StepError> {
        let hub = Hub::of(cx)?;
        let mut tx = cx.begin().await?;
        let preview = previews::find(&mut tx, self.preview).await?;
        if preview.sample == 0 {
            return Ok(());
        }
        let plan = draft(&mut tx, self.preview).await?;
        let keys =
            snapshots::sample(&mut tx, plan.connection, &plan.stream, preview.sample).await?;
        tx.commit().await?;
        if keys.is_empty() {
            return Ok(());
        }
        hub.spend(cx, plan.connection, Lane::Interactive, 1).await?;
        let stream = StreamName(plan.stream.clone());
        let opened = hub.open(cx.tenant(), plan.connection).await?;
        let records = opened.fetch(&stream, &keys, &plan.remote_fields()).await;
        hub.peers
            .note(
                cx.tenant(),
                plan.connection,
                records.as_ref().err(),
                opened.usage(),
            )
            .await?;
        let records = records.map_err(|error| error.to_string());
        self.found.put(Found { keys, records });
        Ok(())
    }

    async fn run(&self, cx: &StepCx, tx: &mut Tx) -> Result<Option<Live>, StepError> {
        let found = self.found.take();
        let live = match found {
            None => None,
            Some(found) => Some(self.look(cx, tx, found).await?),
        };
        previews::end(tx, self.preview, live.as_ref()).await?;
        tx.changed("preview", self.preview);
        Ok(live)
    }
}

impl LookLive {
    async fn look(&self, cx: &StepCx, tx: &mut Tx, found: Found) -> Result<Live, StepError> {
        let asked = found.keys.len() as u64;
        let records = match found.records {
            Ok(records) => records,
            Err(error) => {
                return Ok(Live {
                    asked,
                    error: Some(error),
                    ..Live::default()
                });
            }
        };
        let hub = Hub::of(cx)?;
        let there = records.iter().flatten().count() as u64;
        let draft = draft(tx, self.preview).await?;
        let found = found.keys.into_iter().zip(records).collect();
        let mut looked = preview::look_live(tx, &hub.tables, draft, found)
            .await
            .map_err(sync_error)?;
        looked.outcomes.retain(|outcome| !outcome.is_quiet());
        previews::insert_rows(tx, self.preview, self.rows + 1, true, &looked.outcomes).await?;
        Ok(Live {
            asked,
            found: there,
            totals: looked.part.totals,
            error: None,
        })
    }
}
