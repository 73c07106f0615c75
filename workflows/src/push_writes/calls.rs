//! The calls of a push: looking, sending, and asking what lay between the two.

use std::collections::{HashMap, HashSet};

use connector_sdk::{
    ConnectorError, ErrorKind, Opened, Receipt, Record, Result, Since, StreamName, WriteOp,
};
use engine::ids::WriteId;
use engine::store::doubts::Doubt;
use engine::store::writes::Seen;
use engine::sync::outbox::{Between, Outgoing};

/// Notes with each write the version of its record, as it was just looked at, or that it is not there.
pub fn note_versions(seen: &mut [Seen], keys: &[Option<String>], records: &[Record]) {
    let versions: HashMap<&str, &String> = records
        .iter()
        .filter_map(|record| Some((record.key.as_str(), record.version.as_ref()?)))
        .collect();
    let there: HashSet<&str> = records.iter().map(|record| record.key.as_str()).collect();
    for (seen, key) in seen.iter_mut().zip(keys) {
        let version = key.as_ref().and_then(|key| versions.get(key.as_str()));
        seen.version = version.map(|version| (*version).clone());
        seen.is_absent = key
            .as_ref()
            .is_some_and(|key| !there.contains(key.as_str()));
    }
}

/// What lay under writes that may have been carried out, where the system keeps a history; and the
/// writes for which that is known now.
///
/// # Errors
/// The system did not tell, although it could.
pub async fn look_between(
    opened: &dyn Opened,
    stream: &StreamName,
    doubts: Vec<Doubt>,
    fields: &[String],
) -> Result<(Vec<Between>, Vec<WriteId>)> {
    if doubts.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let since: Vec<Since> = doubts
        .iter()
        .map(|doubt| Since {
            key: doubt.key.clone(),
            version: doubt.expected.clone(),
            fields: fields.to_vec(),
        })
        .collect();
    let states = match opened.history(stream, &since).await {
        Ok(states) => states,
        Err(error) if error.kind == ErrorKind::Unsupported => return Ok((Vec::new(), Vec::new())),
        Err(error) => return Err(error),
    };
    let cleared = doubts.iter().map(|doubt| doubt.write).collect();
    let between = doubts
        .into_iter()
        .zip(states)
        .map(|(doubt, states)| Between {
            entity_id: doubt.entity_id,
            key: doubt.key,
            sent: doubt.sent,
            before: doubt.before,
            states,
        });
    Ok((between.collect(), cleared))
}

/// Sends the rows; the answer has one entry per row, in order. Where they `may_be_sent` already, what
/// is to be created is looked for first. Until such a row is stored it stays unknown whether it is
/// there; where the system cannot be searched, the row is left to a person. Nor does a system that takes
/// nothing now say what it took before.
///
/// # Errors
/// The system decided nothing about any row, as far as is known.
pub async fn send(
    opened: &dyn Opened,
    stream: &StreamName,
    outgoing: &[Outgoing],
    may_be_sent: bool,
) -> Result<Vec<Result<Receipt>>> {
    let may_exist = |row: &Outgoing| {
        let is_create = matches!(row.write.op, WriteOp::Create { .. });
        is_create && (row.look_first || may_be_sent)
    };
    let unknown = |mut error: ConnectorError, is_unknown: bool| {
        error.outcome_unknown |= is_unknown;
        error
    };
    let is_any_unknown = outgoing.iter().any(may_exist);
    let mut writes = Vec::with_capacity(outgoing.len());
    let mut answers = Vec::with_capacity(outgoing.len());
    for row in outgoing {
        if row.is_absent && matches!(row.write.op, WriteOp::Update { .. }) {
            // It may be back by now, as nobody knows what.
            answers.push(Some(Err(ConnectorError::gone(
                "the record was not there when it was looked at",
            ))));
            continue;
        }
        let there = if may_exist(row) {
            found(opened, stream, row).await
        } else {
            Ok(None)
        };
        match there {
            Ok(None) => {
                writes.push(row.write.clone());
                answers.push(None);
            }
            Ok(Some(receipt)) => answers.push(Some(Ok(receipt))),
            Err(error) if error.kind == ErrorKind::Unsupported => answers.push(Some(Err(error))),
            Err(error) => return Err(unknown(error, true)),
        }
    }
    let sent = if writes.is_empty() {
        Vec::new()
    } else {
        let sent = opened.write(stream, &writes).await;
        sent.map_err(|error| unknown(error, is_any_unknown || may_be_sent))?
    };
    if sent.len() != writes.len() {
        return Err(
            ConnectorError::transient("system answered another number of rows")
                .with_outcome_unknown(),
        );
    }
    let mut sent = sent.into_iter();
    let answers = answers.into_iter().zip(outgoing).map(|(answer, row)| {
        let answer = answer.or_else(|| sent.next());
        let unanswered = || Err(ConnectorError::transient("the row was not sent"));
        let answer = answer.unwrap_or_else(unanswered);
        answer.map_err(|error| {
            let is_put_off = matches!(error.kind, ErrorKind::Transient | ErrorKind::RateLimited);
            unknown(error, may_exist(row) || may_be_sent && is_put_off)
        })
    });
    let mut answers: Vec<_> = answers.collect();
    tell_between(opened, stream, outgoing, &mut answers).await;
    Ok(answers)
}

/// What an earlier attempt created, as it is by now: somebody may have changed it since, so nothing is
/// written over it. What is still owed is seen when the answer is settled.
async fn found(
    opened: &dyn Opened,
    stream: &StreamName,
    row: &Outgoing,
) -> Result<Option<Receipt>> {
    let WriteOp::Create { fields } = &row.write.op else {
        return Ok(None);
    };
    let fields: Vec<String> = fields.keys().cloned().collect();
    let there = opened.find(stream, &row.write.hub_id, &fields).await?;
    Ok(there.map(|record| Receipt {
        version: record.version.clone(),
        created: true,
        is_found: true,
        stored: Some(record.clone()),
        ..Receipt::of(record.key)
    }))
}

/// Asks what the records held between the look and the write, where the system did not make sure
/// itself that it was nothing. A row of which it does not tell, although it could, is looked at again.
async fn tell_between(
    opened: &dyn Opened,
    stream: &StreamName,
    outgoing: &[Outgoing],
    answers: &mut [Result<Receipt>],
) {
    let mut since = Vec::new();
    let mut places = Vec::new();
    for (place, (row, answer)) in outgoing.iter().zip(answers.iter()).enumerate() {
        if let (WriteOp::Update { key, fields }, Some(version), Ok(receipt)) =
            (&row.write.op, &row.write.expected, answer)
            && !receipt.is_checked
        {
            places.push(place);
            since.push(Since {
                key: key.clone(),
                version: version.clone(),
                fields: fields.keys().cloned().collect(),
            });
        }
    }
    if since.is_empty() {
        return;
    }
    match opened.history(stream, &since).await {
        Ok(states) => {
            for (place, states) in places.into_iter().zip(states) {
                if let Ok(receipt) = &mut answers[place] {
                    receipt.between = states;
                }
            }
        }
        Err(error) if error.kind == ErrorKind::Unsupported => {}
        Err(error) => {
            for place in places {
                answers[place] = Err(error.repeated().with_outcome_unknown());
            }
        }
    }
}
