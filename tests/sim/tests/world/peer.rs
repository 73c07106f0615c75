//! A system as a small state machine with nasty habits; the hub sees it as any other.
// long: one state machine, of which every habit touches the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use connector_sdk::{
    Change, ConnectorError, Cursor, ErrorKind, Fields, Gap, GapReason, Opened, Page, Read, Receipt,
    Record, Removal, Result, Since, Stream, StreamName, Tombstone, Usage, Value, Write, WriteOp,
};
use futures::future::{BoxFuture, FutureExt};

use super::plan::{Fault, Guard, Habits, Set};

/// Core field, field over there. The last is a reference, the two before it move together.
pub(crate) const FIELDS: [(&str, &str); 8] = [
    ("name", "Name"),
    ("phone", "Phone"),
    ("industry", "Industry"),
    ("employees", "Employees"),
    ("description", "Description"),
    ("billing_city", "BillingCity"),
    ("billing_country", "BillingCountry"),
    ("parent", "ParentId"),
];
pub(crate) const NAME: usize = 0;
pub(crate) const EMPLOYEES: usize = 3;
pub(crate) const PARENT: usize = 7;
/// The field that some systems insist on.
pub(crate) const INSISTED: usize = 2;
pub(crate) const HUB_ID: &str = "Hub_Id__c";

/// What a system does beyond its largest delay.
const OVERLAP_MS: i64 = 3_000;

/// Numbers for values that nobody has set before.
#[derive(Clone, Default)]
pub(crate) struct Tokens(Arc<AtomicU64>);

impl Tokens {
    /// A value for a field, and none for a reference, which is no value of its own.
    pub(crate) fn value(&self, field: usize, set: Set) -> Value {
        match set {
            Set::Null if field != NAME => return Value::Null,
            Set::Empty if field != NAME && field != EMPLOYEES => return "".into(),
            _ => {}
        }
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        match FIELDS[field].0 {
            "phone" => format!("555{number:04}").into(),
            // Neither rising nor falling, for the larger of two stands.
            "employees" => i64::try_from(number * 7_919 % 50 * 1_000 + number)
                .unwrap_or_default()
                .into(),
            _ if number.is_multiple_of(3) => format!(" t{number}x set by  somebody ").into(),
            _ => format!("t{number}x set by somebody").into(),
        }
    }
}

/// What tells a value from every other, whatever form a system gave it.
pub(crate) fn token(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let lower = text.trim().to_lowercase();
            if let Some(rest) = lower.strip_prefix('t')
                && let Some((number, _)) = rest.split_once('x')
                && number.parse::<u64>().is_ok()
            {
                return Some(format!("t{number}"));
            }
            (digits.len() == 7 && digits.starts_with("555")).then(|| format!("p{digits}"))
        }
        Value::Number(number) => Some(format!("n{number}")),
        _ => None,
    }
}

/// A value that somebody, or an automation, set over there.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) key: String,
    pub(crate) field: usize,
    pub(crate) value: Value,
    /// Its place among everything that happened to the system.
    pub(crate) number: u64,
}

struct Version {
    fields: Fields,
    stamp: DateTime<Utc>,
    visible_at: DateTime<Utc>,
    gone: Option<Removal>,
    changed: BTreeSet<String>,
    /// The feed does not tell of it; a removal of which it does not tell is nowhere but in direct reads.
    unfed: bool,
}

#[derive(Default)]
pub(crate) struct Known {
    versions: Vec<Version>,
    /// Every value that each field ever held.
    pub(crate) ever: BTreeMap<String, BTreeSet<Value>>,
    /// When it was last looked at by key, in the system's own count.
    looked_at: u64,
    /// It came back, and was not shown to the hub since.
    is_back: bool,
}

impl Known {
    /// As records tell it: how many versions there were.
    fn version(&self) -> Option<String> {
        Some(self.versions.len().to_string())
    }

    fn newest(&self) -> &Version {
        self.versions.last().expect("a record has a version")
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.newest().fields
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.newest().gone.is_some()
    }
}

pub(crate) struct State {
    pub(crate) habits: Habits,
    pub(crate) now: DateTime<Utc>,
    pub(crate) records: BTreeMap<String, Known>,
    /// What goes wrong with the next call.
    pub(crate) fault: Fault,
    pub(crate) edits: Vec<Edit>,
    /// Values of ours that went over one that nobody could have seen: set after the look that
    /// preceded the write.
    pub(crate) unseen: BTreeSet<String>,
    pub(crate) written: u64,
    /// Writes that were refused, because their record had changed since the look.
    pub(crate) refused: u64,
    pub(crate) wrong: Vec<String>,
    /// In the way of a simulation that leaves ties out, see `planted`.
    pub(crate) skips_ties: bool,
    /// When the feed did not say what changed, by the stamps of the changes.
    lost: Vec<(DateTime<Utc>, GapReason)>,
    count: u64,
    next_key: u64,
    tokens: Tokens,
}

/// See the module.
pub(crate) struct Peer(Mutex<State>);

impl Peer {
    pub(crate) fn new(habits: Habits, now: DateTime<Utc>, tokens: Tokens) -> Self {
        Self(Mutex::new(State {
            habits,
            now,
            records: BTreeMap::new(),
            fault: Fault::None,
            edits: Vec::new(),
            unseen: BTreeSet::new(),
            written: 0,
            refused: 0,
            wrong: Vec::new(),
            skips_ties: false,
            lost: Vec::new(),
            count: 0,
            next_key: 0,
            tokens,
        }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn stamp(&self) -> DateTime<Utc> {
        let at = self.now + TimeDelta::milliseconds(self.habits.skew_ms);
        if self.habits.whole_seconds {
            at.duration_trunc(TimeDelta::seconds(1)).unwrap_or(at)
        } else {
            at
        }
    }

    /// Keys of what is there, in order.
    pub(crate) fn living(&self) -> Vec<String> {
        let living = self.records.iter().filter(|(_, known)| !known.is_gone());
        living.map(|(key, _)| key.clone()).collect()
    }

    /// Keys of what was deleted and not merged, in order.
    pub(crate) fn deleted(&self) -> Vec<String> {
        let deleted = self
            .records
            .iter()
            .filter(|(_, known)| known.newest().gone == Some(Removal::Deleted));
        deleted.map(|(key, _)| key.clone()).collect()
    }

    /// The form in which the system keeps a value.
    fn normal(&self, field: &str, value: &Value) -> Value {
        let Value::Text(text) = value else {
            return value.clone();
        };
        if text.trim().is_empty() {
            return Value::Null;
        }
        let mut text = text.clone();
        if field == "Phone" && self.habits.formats_phones && text.len() == 7 {
            text = format!("{}-{}", &text[..3], &text[3..]);
        }
        if field == "Name" || field == "Description" {
            if self.habits.trims {
                text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            if self.habits.titles {
                let mut letters = text.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                text = first.into_iter().chain(letters).collect();
            }
            if self.habits.truncates {
                text = text.chars().take(12).collect();
            }
        }
        Value::Text(text)
    }

    /// Adds a version of a record.
    fn store(&mut self, key: &str, values: &Fields, gone: Option<Removal>) {
        self.count += 1;
        let late = u64::from(self.habits.late_ms > 0) * self.count * 7_919;
        let late = i64::try_from(late % (self.habits.late_ms + 1)).unwrap_or_default();
        let (stamp, now) = (self.stamp(), self.now);
        let normal: Vec<(String, Value)> = values
            .iter()
            .map(|(name, value)| (name.clone(), self.normal(name, value)))
            .collect();
        let known = self.records.entry(key.to_owned()).or_default();
        let before = known.versions.last();
        // Whoever comes second to a record is stamped second, automations included.
        let stamp = before.map_or(stamp, |before| before.stamp.max(stamp));
        let mut fields = before
            .map(|version| version.fields.clone())
            .unwrap_or_default();
        // A record that comes back is told of as a new one, whole.
        let returns = gone.is_none() && before.is_some_and(|before| before.gone.is_some());
        let mut changed: BTreeSet<String> = BTreeSet::new();
        if returns {
            changed.extend(fields.keys().cloned());
        }
        known.is_back |= returns;
        for (name, value) in normal {
            known
                .ever
                .entry(name.clone())
                .or_default()
                .insert(value.clone());
            if fields.insert(name.clone(), value.clone()) != Some(value) {
                changed.insert(name);
            }
        }
        fields.insert("Id".to_owned(), key.into());
        known.versions.push(Version {
            fields,
            stamp,
            visible_at: now + TimeDelta::milliseconds(late),
            gone,
            changed,
            unfed: false,
        });
    }

    /// Changes records at once, or purges them, without the feed's telling of any. Not those that the hub
    /// made: what becomes of a create whose answer was lost is told by the other stories.
    pub(crate) fn load(&mut self, keys: &[String], purges: bool) {
        for key in keys {
            let fields = self.records[key].fields();
            if fields.get(HUB_ID).is_some_and(|id| !id.is_null()) {
                continue;
            }
            if purges {
                self.store(key, &Fields::new(), Some(Removal::Deleted));
            } else {
                let value = self.tokens.value(1, Set::Fresh);
                self.edit(key, 1, value);
            }
            let now = self.now;
            let known = self.records.get_mut(key);
            let Some(version) = known.and_then(|known| known.versions.last_mut()) else {
                continue;
            };
            version.unfed = true;
            version.visible_at = now;
            let reason = if purges {
                GapReason::Lost
            } else {
                GapReason::Overflow
            };
            self.lost.push((version.stamp, reason));
        }
    }

    /// A person, or an automation, sets a field.
    pub(crate) fn edit(&mut self, key: &str, field: usize, value: Value) {
        let name = FIELDS[field].1.to_owned();
        self.store(key, &[(name, value.clone())].into(), None);
        self.edits.push(Edit {
            key: key.to_owned(),
            field,
            value,
            number: self.count,
        });
    }

    /// A field outside the mapping is set.
    pub(crate) fn set(&mut self, key: &str, name: &str, value: Value) {
        self.store(key, &[(name.to_owned(), value)].into(), None);
    }

    /// A person makes a record.
    pub(crate) fn create(&mut self, values: Vec<(usize, Value)>) -> String {
        let key = self.fresh_key();
        self.store(&key, &all_null(), None);
        for (field, value) in values {
            self.edit(&key, field, value);
        }
        key
    }

    fn fresh_key(&mut self) -> String {
        self.next_key += 1;
        format!("r{:03}", self.next_key)
    }

    pub(crate) fn touch(&mut self, key: &str) {
        self.store(key, &Fields::new(), None);
    }

    pub(crate) fn remove(&mut self, key: &str, how: Removal) {
        self.store(key, &Fields::new(), Some(how));
    }

    fn call(&mut self) -> Result<()> {
        match self.fault {
            Fault::Limited => Err(
                ConnectorError::new(ErrorKind::RateLimited, "over the limits")
                    .with_retry_after(std::time::Duration::from_secs(2)),
            ),
            Fault::Unreachable => Err(ConnectorError::transient("cannot be reached")),
            _ => Ok(()),
        }
    }

    fn read(&mut self, read: &Read) -> Result<Page> {
        self.call()?;
        if self.fault == Fault::TimesOut {
            return Err(ConnectorError::transient("no answer"));
        }
        let mut place = Place::of(read.after.as_ref())?;
        place.whole |= read.after.is_none();
        let whole = place.whole;
        if place.until == 0 {
            place.until = self.stamp().timestamp_millis();
            place.newest = place.start;
        }
        let now = self.now;
        let mut rows: Vec<(i64, &String, &Version, &Known)> = self
            .records
            .iter()
            .filter_map(|(key, known)| {
                let shown = known
                    .versions
                    .iter()
                    .rev()
                    .find(|version| version.visible_at <= now)?;
                if shown.unfed && (shown.gone.is_some() || !whole) {
                    return None;
                }
                Some((shown.stamp.timestamp_millis(), key, shown, known))
            })
            .filter(|(at, key, ..)| {
                let is_behind = if self.skips_ties {
                    *at > place.at
                } else {
                    (*at, key.as_str()) > (place.at, place.key.as_str())
                };
                is_behind && *at <= place.until
            })
            .collect();
        rows.sort_by_key(|(at, key, ..)| (*at, *key));
        let limit = match self.habits.page {
            0 => read.limit,
            page => page.min(read.limit),
        };
        let more = rows.len() > limit;
        rows.truncate(limit);
        let mut changes = Vec::new();
        let mut shown = Vec::new();
        for (at, key, version, known) in rows {
            (place.at, place.key) = (at, key.clone());
            if std::ptr::eq(version, known.newest()) {
                shown.push(key.clone());
            }
            place.newest = place.newest.max(at);
            let change = match &version.gone {
                Some(removal) => Change::Delete(Tombstone {
                    key: key.clone(),
                    removed_at: Some(version.stamp),
                    removal: removal.clone(),
                }),
                None => {
                    let mut record = record(key, version);
                    if self.habits.is_partial && !whole && place.before > 0 {
                        let since = known
                            .versions
                            .iter()
                            .filter(|version| version.stamp.timestamp_millis() >= place.before);
                        let said: BTreeSet<&String> =
                            since.flat_map(|version| &version.changed).collect();
                        record.fields.retain(|name, _| {
                            name == "Id" || name == HUB_ID || said.contains(name)
                        });
                    }
                    Change::Upsert(record)
                }
            };
            changes.push(change);
        }
        for key in &shown {
            if let Some(known) = self.records.get_mut(key) {
                known.is_back = false;
            }
        }
        if self.habits.doubles {
            changes.reverse();
            changes.extend(changes.first().cloned());
        }
        let mut gaps = Vec::new();
        if !more {
            let is_told = |(stamp, _): &&(DateTime<Utc>, GapReason)| {
                (place.start..=place.until).contains(&stamp.timestamp_millis())
            };
            let told = self.lost.iter().filter(is_told);
            gaps.extend(told.map(|(stamp, reason)| Gap {
                reason: *reason,
                from: Some(*stamp),
                to: Some(*stamp),
                keys: Vec::new(),
            }));
        }
        if !more {
            let late = i64::try_from(self.habits.late_ms).unwrap_or_default();
            let start = place.start.max(place.newest - late - OVERLAP_MS);
            place = Place {
                start,
                before: place.start,
                at: start,
                ..Place::default()
            };
        }
        Ok(Page {
            changes,
            cursor: place.cursor(),
            more,
            expected: None,
            wait: None,
            gaps,
        })
    }

    fn fetch(&mut self, keys: &[String]) -> Result<Vec<Option<Record>>> {
        self.call()?;
        if self.fault == Fault::TimesOut {
            return Err(ConnectorError::transient("no answer"));
        }
        let count = self.count;
        let one = |key: &String| {
            let known = self.records.get_mut(key).filter(|known| !known.is_gone())?;
            known.looked_at = count;
            known.is_back = false;
            let mut record = record(key, known.newest());
            record.version = known.version();
            Some(record)
        };
        Ok(keys.iter().map(one).collect())
    }

    /// What records held after a version of them.
    fn history(&mut self, since: &[Since]) -> Result<Vec<Vec<Record>>> {
        self.call()?;
        if self.habits.guard != Guard::History {
            return Err(ConnectorError::unsupported("history"));
        }
        let one = |since: &Since| {
            let known = self.records.get(&since.key)?;
            let seen: usize = since.version.parse().ok()?;
            let later = known.versions.iter().skip(seen);
            Some(later.map(|version| record(&since.key, version)).collect())
        };
        Ok(since
            .iter()
            .map(|one_since| one(one_since).unwrap_or_default())
            .collect())
    }

    fn find(&mut self, hub_id: &str) -> Result<Option<Record>> {
        self.call()?;
        if self.habits.is_unsearchable {
            return Err(ConnectorError::unsupported(
                "finding a record by the hub's id",
            ));
        }
        Ok(self
            .with_hub_id(hub_id)
            .map(|(key, known)| record(key, known.newest())))
    }

    fn with_hub_id(&self, hub_id: &str) -> Option<(&String, &Known)> {
        self.records.iter().find(|(_, known)| {
            !known.is_gone() && known.fields().get(HUB_ID).and_then(Value::as_str) == Some(hub_id)
        })
    }

    fn write(&mut self, writes: &[Write]) -> Result<Vec<Result<Receipt>>> {
        self.call()?;
        let mut answers = Vec::new();
        for (place, write) in writes.iter().enumerate() {
            if self.fault == Fault::Locked && place % 2 == 0 {
                let locked = ConnectorError::transient("row is locked");
                answers.push(Err(locked.with_code("UNABLE_TO_LOCK_ROW")));
                continue;
            }
            answers.push(self.write_one(write));
        }
        if self.fault == Fault::TimesOut {
            return Err(ConnectorError::transient("no answer").with_outcome_unknown());
        }
        for answer in answers.iter_mut().flatten() {
            self.automate(&answer.key);
            let known = &self.records[&answer.key];
            if self.habits.reads_back && !known.is_gone() {
                answer.stored = Some(record(&answer.key, known.newest()));
            }
        }
        Ok(answers)
    }

    fn write_one(&mut self, write: &Write) -> Result<Receipt> {
        let mut created = false;
        let key = match &write.op {
            WriteOp::Create { fields } => {
                // What comes back while it is made anew cannot be known of.
                let beside = self.with_hub_id(&write.hub_id);
                if let Some((key, _)) = beside.filter(|(_, known)| !known.is_back) {
                    self.wrong
                        .push(format!("{} was created again beside {key}", write.hub_id));
                }
                created = true;
                let key = self.fresh_key();
                let mut fields = fields.clone();
                if !self.habits.is_unsearchable {
                    fields.insert(HUB_ID.to_owned(), write.hub_id.as_str().into());
                }
                let mut whole = all_null();
                whole.extend(fields);
                self.store(&key, &whole, None);
                key
            }
            WriteOp::Update { key, fields } => {
                let known = self.records.get(key).filter(|known| !known.is_gone());
                let Some(known) = known else {
                    return Err(ConnectorError::gone(format!("record {key} is not there")));
                };
                let is_as_expected = known.version() == write.expected;
                let is_asked = self.habits.guard == Guard::Condition && write.expected.is_some();
                if is_asked && !is_as_expected {
                    self.refused += 1;
                    return Err(ConnectorError::moved());
                }
                let looked_at = known.looked_at;
                let overwritten = self.edits.iter().filter(|edit| {
                    edit.key == *key
                        && edit.number > looked_at
                        && fields.contains_key(FIELDS[edit.field].1)
                });
                let unseen: Vec<String> =
                    overwritten.filter_map(|edit| token(&edit.value)).collect();
                self.unseen.extend(unseen);
                self.store(key, fields, None);
                key.clone()
            }
            WriteOp::Delete { key } => {
                let known = self.records.get(key).filter(|known| !known.is_gone());
                let is_moved = known.is_some_and(|known| known.version() != write.expected);
                let is_asked = self.habits.guard == Guard::Condition && write.expected.is_some();
                if is_asked && is_moved {
                    self.refused += 1;
                    return Err(ConnectorError::moved());
                }
                self.remove(key, Removal::Deleted);
                key.clone()
            }
        };
        self.written += 1;
        let version = &self.records[&key];
        Ok(Receipt {
            version: Some(version.versions.len().to_string()),
            created,
            is_checked: self.habits.guard == Guard::Condition && write.expected.is_some(),
            ..Receipt::of(key)
        })
    }

    /// A flow that sets its own value whenever the field holds another.
    fn insist(&mut self, key: &str) {
        let Some((field, value)) = self.habits.insists.clone() else {
            return;
        };
        let known = &self.records[key];
        let is_other = known.fields().get(FIELDS[field].1) != Some(&value);
        if known.is_gone() || !is_other {
            return;
        }
        let now = self.now;
        self.now += TimeDelta::milliseconds(30);
        self.edit(key, field, value);
        self.now = now;
    }

    /// What an automation makes of our write, as our user and a moment later.
    fn automate(&mut self, key: &str) {
        self.insist(key);
        if self.habits.automates == 0 || self.records[key].is_gone() {
            return;
        }
        self.habits.automates -= 1;
        let field = usize::try_from(self.count).unwrap_or_default() % PARENT;
        let value = self.tokens.value(field, Set::Fresh);
        let now = self.now;
        self.now += TimeDelta::milliseconds(30);
        self.edit(key, field, value);
        self.now = now;
        // Lists that do not lag show it as soon as a direct read does.
        let known = self.records.get_mut(key);
        if let Some(version) = known.and_then(|known| known.versions.last_mut())
            && self.habits.late_ms == 0
        {
            version.visible_at = now;
        }
    }
}

fn all_null() -> Fields {
    let names = FIELDS.iter().map(|(_, name)| *name).chain([HUB_ID]);
    names.map(|name| (name.to_owned(), Value::Null)).collect()
}

/// A whole record: what it has no value for is there as null.
fn record(key: &str, version: &Version) -> Record {
    let mut fields = version.fields.clone();
    for name in FIELDS.iter().map(|(_, name)| *name).chain([HUB_ID]) {
        fields.entry(name.to_owned()).or_default();
    }
    Record {
        key: key.to_owned(),
        version: None,
        changed_at: Some(version.stamp),
        fields,
    }
}

/// Where a pass stands: it began at `start`, is at (`at`, `key`), and ends at `until`.
#[derive(Default)]
struct Place {
    start: i64,
    /// Where the pass before began: a record that changed while that went by was not in it.
    before: i64,
    at: i64,
    key: String,
    until: i64,
    newest: i64,
    /// Of everything, also of what the feed does not tell.
    whole: bool,
}

impl Place {
    fn of(cursor: Option<&Cursor>) -> Result<Self> {
        let Some(Cursor(text)) = cursor else {
            return Ok(Self::default());
        };
        let bad = || ConnectorError::gone("cursor is not one of ours");
        let parts: Vec<&str> = text.split('/').collect();
        let [start, before, at, key, until, newest, whole] = parts.as_slice() else {
            return Err(bad());
        };
        let number = |text: &str| {
            text.parse::<i64>()
                .map_err(|error| bad().with_source(error))
        };
        Ok(Self {
            start: number(start)?,
            before: number(before)?,
            at: number(at)?,
            key: (*key).to_owned(),
            until: number(until)?,
            newest: number(newest)?,
            whole: *whole == "whole",
        })
    }

    fn cursor(&self) -> Cursor {
        let Self {
            start,
            before,
            at,
            key,
            until,
            newest,
            whole,
        } = self;
        let whole = if *whole { "whole" } else { "" };
        Cursor(format!(
            "{start}/{before}/{at}/{key}/{until}/{newest}/{whole}"
        ))
    }
}

impl Opened for Peer {
    fn check(&self) -> BoxFuture<'_, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn discover(&self) -> BoxFuture<'_, Result<Vec<Stream>>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn read<'a>(&'a self, read: &'a Read) -> BoxFuture<'a, Result<Page>> {
        async { self.state().read(read) }.boxed()
    }

    fn since(&self, _stream: &StreamName, at: DateTime<Utc>) -> Result<Option<Cursor>> {
        let late = i64::try_from(self.state().habits.late_ms).unwrap_or_default();
        let start = (at.timestamp_millis() - late - OVERLAP_MS).max(1);
        let place = Place {
            start,
            at: start,
            whole: true,
            ..Place::default()
        };
        Ok(Some(place.cursor()))
    }

    fn write<'a>(
        &'a self,
        _stream: &'a StreamName,
        writes: &'a [Write],
    ) -> BoxFuture<'a, Result<Vec<Result<Receipt>>>> {
        async { self.state().write(writes) }.boxed()
    }

    fn fetch<'a>(
        &'a self,
        _stream: &'a StreamName,
        keys: &'a [String],
        _fields: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Record>>>> {
        async { self.state().fetch(keys) }.boxed()
    }

    fn find<'a>(
        &'a self,
        _stream: &'a StreamName,
        hub_id: &'a str,
        _fields: &'a [String],
    ) -> BoxFuture<'a, Result<Option<Record>>> {
        async { self.state().find(hub_id) }.boxed()
    }

    fn history<'a>(
        &'a self,
        _stream: &'a StreamName,
        since: &'a [Since],
    ) -> BoxFuture<'a, Result<Vec<Vec<Record>>>> {
        async { self.state().history(since) }.boxed()
    }
}
