//! Rows as queries, bulk results and retrieve calls give them, made into changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use connector_sdk::{
    Change, ConnectorError, FieldType, Fields, Record, Removal, Result, Tombstone, Value,
};
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::{Call, Client};
use crate::soql::{query_string, quote};
use crate::streams::describe::Described;
use crate::streams::{Object, values};
use crate::{ids, soql};

/// Ids of one query by id: its address stays well below what the system takes.
const QUERY_BY_ID: usize = 100;
/// Most ids of one retrieve call.
const RETRIEVE: usize = 2_000;

/// A row as JSON gives it. Values stay text until their type is known, so that no digit is lost.
pub(crate) type RawRow<'a> = BTreeMap<&'a str, &'a RawValue>;

/// The fields to bring, with their types.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    pub(crate) wanted: Vec<(String, FieldType)>,
}

impl Columns {
    /// Those of the wanted fields that the hub's user sees. What is missing is warned about and
    /// stays out of the records, which means *unchanged*: a hidden field must not read as cleared.
    ///
    /// # Errors
    /// `Config` when none is left.
    pub(crate) fn of(described: &Described, wanted: &[String]) -> Result<Self> {
        let mut known = Vec::with_capacity(wanted.len());
        let mut missing = Vec::new();
        for field in wanted {
            match described.kind(field) {
                Some(kind) => known.push((field.clone(), kind)),
                None => missing.push(field.clone()),
            }
        }
        if missing.is_empty() {
            return Ok(Self { wanted: known });
        }
        let stream = described.stream.name.as_str();
        if known.is_empty() {
            return Err(ConnectorError::config(format!(
                "{stream} has none of the mapped fields, or hides them from the hub's user: {}",
                missing.join(", ")
            ))
            .with_code("INVALID_FIELD")
            .with_fields(missing));
        }
        described.warn_of(&missing);
        Ok(Self { wanted: known })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.wanted.iter().map(|(name, _)| name)
    }
}

/// What every read selects besides the wanted fields.
pub(crate) fn system_fields(object: &Object, removed_too: bool) -> Vec<&'static str> {
    let mut fields = vec!["Id", "SystemModstamp"];
    if object.has_bin && removed_too {
        fields.push("IsDeleted");
        if object.merges {
            fields.push("MasterRecordId");
        }
    }
    fields
}

/// A field list that names each field once.
pub(crate) fn field_list<'a>(
    object: &Object,
    removed_too: bool,
    wanted: impl Iterator<Item = &'a String>,
) -> Vec<String> {
    let system = system_fields(object, removed_too).into_iter();
    let mut list: Vec<String> = system.map(str::to_owned).collect();
    for field in wanted {
        if !list.iter().any(|listed| listed.eq_ignore_ascii_case(field)) {
            list.push(field.clone());
        }
    }
    list
}

/// One row, read.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) stamp: DateTime<Utc>,
    pub(crate) removal: Option<Removal>,
    pub(crate) fields: Fields,
}

impl Row {
    /// # Errors
    /// `Transient` for a row without id or stamp: not what was asked for.
    pub(crate) fn from_json(raw: &RawRow<'_>, columns: &Columns) -> Result<Self> {
        let text = |name: &str, kind| {
            let value = values::from_json(raw.get(name)?, kind);
            value.as_str().map(str::to_owned)
        };
        let stamp = text("SystemModstamp", FieldType::Text);
        let id = text("Id", FieldType::Reference);
        let flag = raw.get("IsDeleted").map(|raw| raw.get() == "true");
        let master = text("MasterRecordId", FieldType::Reference);
        let mut fields = Fields::new();
        for (name, kind) in &columns.wanted {
            if let Some(value) = lookup(raw, name, *kind) {
                fields.insert(name.clone(), value);
            }
        }
        Self::new(
            id,
            stamp.as_deref(),
            flag.unwrap_or_default(),
            master,
            fields,
        )
    }

    pub(crate) fn new(
        id: Option<String>,
        stamp: Option<&str>,
        deleted: bool,
        master: Option<String>,
        fields: Fields,
    ) -> Result<Self> {
        let stamp = stamp.and_then(values::parse_instant);
        let (Some(id), Some(stamp)) = (id, stamp) else {
            return Err(ConnectorError::transient(
                "the system gave a row without an id or a stamp",
            ));
        };
        let removal = deleted.then_some(match master {
            Some(key) => Removal::MergedInto { key },
            None => Removal::Deleted,
        });
        Ok(Self {
            id,
            stamp,
            removal,
            fields,
        })
    }

    pub(crate) fn into_record(self) -> Record {
        Record {
            key: self.id,
            version: Some(soql::instant(self.stamp)),
            changed_at: Some(self.stamp),
            fields: self.fields,
        }
    }

    pub(crate) fn into_change(self) -> Change {
        match self.removal {
            Some(removal) => Change::Delete(Tombstone {
                key: self.id,
                removed_at: Some(self.stamp),
                removal,
            }),
            None => Change::Upsert(self.into_record()),
        }
    }
}

/// The value of a field, through related records where the name has dots.
fn lookup(row: &RawRow<'_>, name: &str, kind: FieldType) -> Option<Value> {
    let Some((relation, rest)) = name.split_once('.') else {
        return row.get(name).map(|raw| values::from_json(raw, kind));
    };
    let related = row.get(relation)?;
    if related.get() == "null" {
        return Some(Value::Null);
    }
    let related: RawRow<'_> = serde_json::from_str(related.get()).ok()?;
    lookup(&related, rest, kind)
}

/// Rows by id, in the order of the ids; `None` for those that are not there or not to be seen.
pub(crate) async fn retrieve(
    org: &Client,
    object: &Object,
    ids: &[String],
    columns: &Columns,
) -> Result<Vec<Option<Row>>> {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        ids: &'a [String],
        fields: &'a [String],
    }
    if columns.names().any(|name| name.contains('.')) {
        return query_by_id(org, object, ids, columns).await;
    }
    let fields = field_list(object, false, columns.names());
    let mut rows = Vec::with_capacity(ids.len());
    for ids in ids.chunks(RETRIEVE) {
        let body = Body {
            ids,
            fields: &fields,
        };
        let path = org.data(&format!("/composite/sobjects/{}", object.name));
        let reply = org
            .send(Call::send(Method::POST, path, &body).repeatable())
            .await?;
        let given: Vec<Option<RawRow<'_>>> = parse(&reply.body)?;
        if given.len() != ids.len() {
            return Err(ConnectorError::transient(
                "the system answered with another number of rows than asked for",
            ));
        }
        for raw in given {
            rows.push(raw.map(|raw| Row::from_json(&raw, columns)).transpose()?);
        }
    }
    Ok(rows)
}

/// As [`retrieve`], for fields of related records, which only a query gives.
async fn query_by_id(
    org: &Client,
    object: &Object,
    ids: &[String],
    columns: &Columns,
) -> Result<Vec<Option<Row>>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer<'a> {
        done: bool,
        next_records_url: Option<String>,
        #[serde(borrow)]
        records: Vec<RawRow<'a>>,
    }
    let fields = field_list(object, false, columns.names()).join(",");
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(QUERY_BY_ID) {
        let list: Vec<String> = ids.iter().map(|id| quote(id)).collect();
        let soql = format!(
            "SELECT {fields} FROM {} WHERE Id IN ({})",
            object.name,
            list.join(",")
        );
        let mut path = Some(org.data(&format!("/query?{}", query_string(&soql))));
        while let Some(page) = path {
            let reply = org.send(Call::get(page)).await?;
            let answer: Answer<'_> = parse(&reply.body)?;
            for raw in &answer.records {
                let row = Row::from_json(raw, columns)?;
                found.insert(row.id.clone(), row);
            }
            path = answer.next_records_url.filter(|_| !answer.done);
        }
    }
    Ok(ids.iter().map(|id| found.remove(id)).collect())
}

/// A body whose values are borrowed as text.
///
/// # Errors
/// `Transient`: a proxy's page, a body that was cut.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        ConnectorError::transient("the answer is not the expected json").with_source(error)
    })
}

/// Rows of a CSV page.
///
/// # Errors
/// `Transient` when the text is no CSV or lacks what was asked for.
pub(crate) fn from_csv(body: &[u8], columns: &Columns) -> Result<Vec<Row>> {
    let odd = |error: csv::Error| {
        ConnectorError::transient("the bulk results are not the expected csv").with_source(error)
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(body);
    let header = reader.headers().map_err(odd)?.clone();
    let place = |name: &str| {
        header
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
    };
    let (id_at, stamp_at) = (place("Id"), place("SystemModstamp"));
    let (Some(id_at), Some(stamp_at)) = (id_at, stamp_at) else {
        return Err(ConnectorError::transient(
            "the bulk results lack their id or stamp column",
        ));
    };
    let plan: Vec<(usize, &String, FieldType)> = columns
        .wanted
        .iter()
        .filter_map(|(name, kind)| Some((place(name)?, name, *kind)))
        .collect();
    let mut rows = Vec::new();
    let mut cells = csv::StringRecord::new();
    while reader.read_record(&mut cells).map_err(odd)? {
        // Some pages repeat the header between rows.
        if cells == header {
            continue;
        }
        let cell = |at: usize| cells.get(at).unwrap_or_default();
        let fields = plan
            .iter()
            .map(|(at, name, kind)| ((*name).clone(), values::from_text(cell(*at), *kind)))
            .collect();
        let id = ids::canonical(cell(id_at)).map(std::borrow::Cow::into_owned);
        rows.push(Row::new(id, Some(cell(stamp_at)), false, None, fields)?);
    }
    Ok(rows)
}

/// Types of the wanted fields, or what stands in for them while nothing is known: nothing is
/// asked for an empty page.
pub(crate) fn columns_if_known(
    described: Option<&Arc<Described>>,
    wanted: &[String],
) -> Result<Columns> {
    match described {
        Some(described) => Columns::of(described, wanted),
        None => {
            let unknown = wanted.iter().map(|name| (name.clone(), FieldType::Other));
            Ok(Columns {
                wanted: unknown.collect(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use connector_sdk::ErrorKind;

    use super::*;
    use crate::streams::OBJECTS;
    use crate::streams::describe::tests::account;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_null_is_there_and_a_hidden_field_is_not() {
        let columns = Columns::of(
            &account(),
            &names(&["Name", "AnnualRevenue", "Gone__c", "Owner.Name"]),
        )
        .unwrap();
        let body = r#"{"attributes":{"type":"Account"},"Id":"001xx000003DGb2","SystemModstamp":"2026-05-02T10:11:12.000+0000",
            "Name":"Acme","AnnualRevenue":null,"Owner":{"attributes":{},"Name":"Ada"}}"#;
        let row = Row::from_json(&parse(body.as_bytes()).unwrap(), &columns).unwrap();
        let Change::Upsert(record) = row.into_change() else {
            panic!("not removed")
        };
        assert_eq!(record.key, "001xx000003DGb2AAG");
        assert_eq!(record.version.as_deref(), Some("2026-05-02T10:11:12Z"));
        assert_eq!(record.fields["AnnualRevenue"], Value::Null);
        assert_eq!(record.fields["Owner.Name"], Value::from("Ada"));
        assert!(!record.fields.contains_key("Gone__c"));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_and_not_guessed_at() {
        let columns = Columns::of(&account(), &names(&["Name"])).unwrap();
        let json = b"{\"Id\":\"001xx000003DGb2\",\"SystemModstamp\":\"2026-05-02T10:11:12Z\",\"Name\":\"Ac\xffme\"}";
        let error = parse::<RawRow<'_>>(json).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient);
        let csv = b"Id,SystemModstamp,Name\n001xx000003DGb2,2026-05-02T10:11:12Z,Ac\xffme\n";
        let error = from_csv(csv, &columns).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient);
    }

    #[test]
    fn no_field_left_is_an_error_that_names_them() {
        let error = Columns::of(&account(), &names(&["Gone__c", "Away__c"])).unwrap_err();
        assert!(error.message.contains("Gone__c, Away__c"), "{error}");
        assert_eq!(error.fields, ["Gone__c", "Away__c"]);
    }

    #[test]
    fn a_merge_loser_names_its_winner() {
        let columns = Columns { wanted: Vec::new() };
        let body = r#"{"Id":"001xx000003DGb2AAG","SystemModstamp":"2026-05-02T10:11:12.000+0000",
            "IsDeleted":true,"MasterRecordId":"001R0000005hDFY"}"#;
        let row = Row::from_json(&parse(body.as_bytes()).unwrap(), &columns).unwrap();
        let Change::Delete(tombstone) = row.into_change() else {
            panic!("removed")
        };
        assert_eq!(
            tombstone.removal,
            Removal::MergedInto {
                key: "001R0000005hDFYIA2".to_owned()
            }
        );
    }

    #[test]
    fn csv_rows_keep_line_breaks_and_drop_repeated_headers() {
        let columns =
            Columns::of(&account(), &names(&["Name", "AnnualRevenue", "Active__c"])).unwrap();
        let body = "\"Id\",\"SystemModstamp\",\"Name\",\"AnnualRevenue\",\"Active__c\"\n\
            \"001xx000003DGb2AAG\",\"2026-05-01T22:51:36.000Z\",\"A, \"\"B\"\"\nC\",\"\",\"true\"\n\
            \"Id\",\"SystemModstamp\",\"Name\",\"AnnualRevenue\",\"Active__c\"\n\
            \"001R0000005hDFYIA2\",\"2026-05-01T22:51:36.000Z\",\"D\",\"3.5E8\",\"false\"\n";
        let rows = from_csv(body.as_bytes(), &columns).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].fields["Name"], Value::from("A, \"B\"\nC"));
        assert_eq!(rows[0].fields["AnnualRevenue"], Value::Null);
        assert_eq!(
            rows[1].fields["AnnualRevenue"],
            Value::from(350_000_000_i64)
        );
        assert!(from_csv(b"<html><body>no</body></html>", &columns).is_err());
    }

    #[test]
    fn the_selected_fields_are_each_named_once() {
        let list = field_list(
            &OBJECTS[0],
            true,
            names(&["Name", "Id", "SystemModstamp"]).iter(),
        );
        assert_eq!(
            list,
            [
                "Id",
                "SystemModstamp",
                "IsDeleted",
                "MasterRecordId",
                "Name"
            ]
        );
    }
}
