//! Ordered passes by SOQL: the first read of a small stream, and every incremental read.
//!
//! A pass covers the window from the last one's end, less the overlap, to the server's time. The
//! first query of an incremental pass is left open above, because the server's time is only known
//! from its answer; the answer's date then is the window's end, bounds every later query of the
//! pass, and is where the next pass begins. What commits between the query and its answer lies
//! within the next overlap, as everything that commits late does.

use chrono::{DateTime, Utc};
use connector_sdk::{Change, ConnectorError, ErrorKind, Page, Read, Reply, Result};
use serde::Deserialize;

use crate::client::{Call, Client};
use crate::config::Config;
use crate::cursor::{Deletes, Pass, Phase, Rest, print_of};
use crate::rows::{Columns, RawRow, Row, columns_if_known, field_list, parse, retrieve};
use crate::soql::{Place, Window, query_string, select};
use crate::streams::Object;
use crate::streams::describe::Descriptions;
use crate::{bulk, deletes};

/// Address and headers may have 16 KB together; a longer query selects only what orders the rows
/// and fetches the fields by id.
const LONGEST_QUERY: usize = 12_000;

/// What one read works with.
pub(crate) struct Reader<'a> {
    pub(crate) org: &'a Client,
    pub(crate) known: &'a Descriptions,
    pub(crate) config: &'a Config,
    pub(crate) object: &'static Object,
    pub(crate) read: &'a Read,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    total_size: Option<u64>,
    done: bool,
    next_records_url: Option<String>,
    #[serde(borrow)]
    records: Vec<RawRow<'a>>,
}

/// What a query brought.
struct Fetched {
    rows: Vec<Row>,
    next: Option<String>,
    total: Option<u64>,
}

impl Reader<'_> {
    pub(crate) fn page(&self, changes: Vec<Change>, next: Phase, more: bool) -> Page {
        Page {
            changes,
            cursor: next.into_cursor(self.object),
            more,
            expected: None,
            wait: None,
            gaps: Vec::new(),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.read.limit.max(1)
    }

    /// Reads on from where the cursor says.
    pub(crate) async fn next(&self) -> Result<Page> {
        for field in &self.read.fields {
            crate::soql::check_name(field)?;
        }
        let Some(cursor) = &self.read.after else {
            return self.start_full().await;
        };
        match Phase::from_cursor(cursor, self.object)? {
            Phase::Bulk(at) => bulk::read(self, at).await,
            Phase::Pass(pass) => self.read_pass(*pass).await,
            Phase::Deletes(deletes) => deletes::read(self, *deletes).await,
            Phase::Rest(mut rest) => {
                if let Some(job) = rest.bulk_done.take() {
                    bulk::remove(self, &job).await;
                }
                let pass = Pass::after_rest(rest, self.config.overlap());
                self.read_pass(pass).await
            }
        }
    }

    async fn start_full(&self) -> Result<Page> {
        let described = self.known.get(self.object, self.org).await?;
        let columns = Columns::of(&described, &self.read.fields)?;
        let count = self.count().await?;
        let to = self.org.server_time()?;
        let large = count.is_none_or(|count| count >= self.config.bulk_threshold);
        // Bulk queries take no compound fields, and a record must not lack what was asked for.
        let compound = columns.names().any(|name| described.is_compound(name));
        if large
            && !compound
            && let Some(mut page) = bulk::start(self, &columns, to).await?
        {
            page.expected = count;
            return Ok(page);
        }
        self.read_pass(Pass::full(to)).await
    }

    /// How many rows there are; `None` when they are too many to be counted in time.
    async fn count(&self) -> Result<Option<u64>> {
        let soql = format!("SELECT COUNT() FROM {}", self.object.name);
        let path = self.org.data(&format!("/query?{}", query_string(&soql)));
        match self.org.send(Call::get(path)).await {
            Ok(reply) => Ok(parse::<Answer<'_>>(&reply.body)?.total_size),
            Err(error) if takes_too_long(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One page of a pass.
    pub(crate) async fn read_pass(&self, mut pass: Pass) -> Result<Page> {
        let asked = self.read.fields.join(",");
        if pass.asked != asked {
            // Its pages would bring the fields of before.
            pass.next = None;
            pass.asked = asked;
        }
        let mut fetched = match self.fetch(&mut pass).await {
            Ok(fetched) => fetched,
            Err(error) if takes_too_long(&error) => {
                let now = self.org.server_time()?;
                if !pass.narrow(now) {
                    return Err(error);
                }
                return Ok(self.page(Vec::new(), Phase::Pass(Box::new(pass)), true));
            }
            Err(error) => return Err(error),
        };
        let to = match pass.to {
            Some(to) => to,
            None => *pass.to.insert(self.org.server_time()?),
        };
        if fetched.rows.len() > self.limit() {
            fetched.rows.truncate(self.limit());
            fetched.next = None;
        } else if fetched.next.is_none() && (!pass.by_id || fetched.rows.is_empty()) {
            // Rows by id come in queries with a limit: only an empty one is the end.
            let expected = fetched.total;
            let changes = self.take(&mut pass, fetched.rows, to);
            let mut page = self.finish_part(pass, changes, to).await?;
            page.expected = expected;
            return Ok(page);
        }
        pass.next = fetched.next;
        let changes = self.take(&mut pass, fetched.rows, to);
        let mut page = self.page(changes, Phase::Pass(Box::new(pass)), true);
        page.expected = fetched.total;
        Ok(page)
    }

    /// Rows into changes, less those the pass before has given just so.
    fn take(&self, pass: &mut Pass, rows: Vec<Row>, to: DateTime<Utc>) -> Vec<Change> {
        if let Some(last) = rows.last() {
            pass.after = Some(Place {
                stamp: last.stamp,
                id: last.id.clone(),
            });
        }
        let overlap = chrono::Duration::from_std(self.config.overlap());
        let remembered_from = to - overlap.unwrap_or(chrono::Duration::zero());
        let mut changes = Vec::with_capacity(rows.len());
        for row in rows {
            let may_be_seen = pass.from.is_some() && !pass.full;
            if row.stamp >= remembered_from || may_be_seen {
                let print = print_of(row.stamp, row.removal.is_some(), &row.fields);
                let seen = pass.seen.contains(&row.id, &print);
                if row.stamp >= remembered_from {
                    pass.fresh.note(&row.id, row.stamp, print);
                }
                if seen {
                    continue;
                }
            }
            changes.push(row.into_change());
        }
        changes
    }

    async fn finish_part(
        &self,
        mut pass: Pass,
        mut changes: Vec<Change>,
        to: DateTime<Utc>,
    ) -> Result<Page> {
        if pass.advance() {
            return Ok(self.page(changes, Phase::Pass(Box::new(pass)), true));
        }
        let mut fresh = pass.fresh;
        let overlap = chrono::Duration::from_std(self.config.overlap());
        fresh.forget_before(to - overlap.unwrap_or(chrono::Duration::zero()));
        let rest = Rest {
            since: to,
            log: pass.log,
            seen: fresh,
            bulk_done: None,
        };
        if !deletes::is_due(self, &rest) {
            return Ok(self.page(changes, Phase::Rest(rest), false));
        }
        let deletes = Deletes {
            until: to,
            rest,
            after: None,
        };
        let room = self.limit().saturating_sub(changes.len());
        if room == 0 {
            return Ok(self.page(changes, Phase::Deletes(Box::new(deletes)), true));
        }
        let (tombstones, next, more) = deletes::take(self, deletes, room).await?;
        changes.extend(tombstones);
        Ok(self.page(changes, next, more))
    }

    fn batch(&self) -> usize {
        (self.config.page_size as usize)
            .min(self.limit())
            .clamp(200, 2_000)
    }

    /// Asks for the next rows of a pass; mends what can be mended on the way.
    async fn fetch(&self, pass: &mut Pass) -> Result<Fetched> {
        let mut described = self.known.remembered(self.object, self.org.http());
        let mut mended = false;
        loop {
            let columns = columns_if_known(described.as_ref(), &self.read.fields)?;
            match self.ask(pass, &columns).await {
                Ok(reply) => {
                    let answer: Answer<'_> = parse(&reply.body)?;
                    let columns = if described.is_none() && !answer.records.is_empty() {
                        let asked = self.known.get(self.object, self.org).await?;
                        Columns::of(&asked, &self.read.fields)?
                    } else {
                        columns
                    };
                    return self.rows(answer, &columns).await;
                }
                Err(error) if pass.next.is_some() && locator_is_gone(&error) => {
                    pass.next = None;
                }
                Err(error) if !mended && error.code.as_deref() == Some("INVALID_FIELD") => {
                    // A field was removed or hidden: go on with the others.
                    mended = true;
                    pass.next = None;
                    described = Some(self.known.ask(self.object, self.org).await?);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn ask(&self, pass: &Pass, columns: &Columns) -> Result<Reply> {
        let batch = self.batch();
        let path = match &pass.next {
            Some(next) => next.clone(),
            None => {
                let window = Window {
                    from: pass.from,
                    to: pass.cut.or(pass.to),
                    after: pass.after.as_ref(),
                    by_id: pass.by_id.then_some(batch),
                };
                let removed_too = !pass.full && self.object.has_bin;
                let resource = if removed_too { "queryAll" } else { "query" };
                let query =
                    |fields: &[String]| query_string(&select(fields, self.object.name, &window));
                let mut text = query(&field_list(self.object, removed_too, columns.names()));
                if text.len() > LONGEST_QUERY {
                    text = query(&field_list(self.object, removed_too, std::iter::empty()));
                }
                self.org.data(&format!("/{resource}?{text}"))
            }
        };
        let call = Call::get(path).header("sforce-query-options", format!("batchSize={batch}"));
        self.org.send(call).await
    }

    async fn rows(&self, answer: Answer<'_>, columns: &Columns) -> Result<Fetched> {
        let read = |raw: &RawRow<'_>| Row::from_json(raw, columns);
        let mut rows: Vec<Row> = answer.records.iter().map(read).collect::<Result<_>>()?;
        let narrow = |raw: &RawRow<'_>| {
            let has = |name: &String| raw.contains_key(name.split('.').next().unwrap_or(name));
            columns.names().next().is_some() && !columns.names().any(has)
        };
        if answer.records.first().is_some_and(narrow) {
            rows = self.with_fields(rows, columns).await?;
        }
        Ok(Fetched {
            rows,
            next: answer.next_records_url.filter(|_| !answer.done),
            total: answer.total_size,
        })
    }

    /// Fetches by id the fields that did not fit the query. A row that went meanwhile keeps its
    /// place without fields; its removal has a stamp of its own and follows.
    async fn with_fields(&self, rows: Vec<Row>, columns: &Columns) -> Result<Vec<Row>> {
        let living = rows.iter().filter(|row| row.removal.is_none());
        let ids: Vec<String> = living.map(|row| row.id.clone()).collect();
        let given = retrieve(self.org, self.object, &ids, columns).await?;
        let mut found: std::collections::HashMap<String, Row> = given
            .into_iter()
            .flatten()
            .map(|row| (row.id.clone(), row))
            .collect();
        let filled = rows.into_iter().map(|mut row| {
            if let Some(full) = found.remove(&row.id) {
                // The place in the order stays that of the query.
                row.fields = full.fields;
            }
            row
        });
        Ok(filled.collect())
    }
}

fn takes_too_long(error: &ConnectorError) -> bool {
    matches!(
        error.code.as_deref(),
        Some("QUERY_TIMEOUT" | "OPERATION_TOO_LARGE" | "QUERY_TOO_COMPLICATED")
    )
}

/// The status differs between sources; the code does not.
fn locator_is_gone(error: &ConnectorError) -> bool {
    error.kind == ErrorKind::Gone
}
