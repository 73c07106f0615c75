//! What the hub asks of Postgres, as the server logs it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use localpg::Cluster;
use sqlx::PgPool;

/// How much of a statement is kept.
const BEGINNING: usize = 110;

pub(crate) struct StatementLog {
    file: PathBuf,
}

impl StatementLog {
    pub(crate) async fn start(pool: &PgPool, cluster: &Cluster) -> Result<Self> {
        for sql in [
            "alter system set log_statement = 'all'",
            "alter system set log_line_prefix = '%a '",
            "select pg_reload_conf()",
        ] {
            sqlx::query(sql).execute(pool).await?;
        }
        Ok(Self {
            file: cluster.dir().join("server.log"),
        })
    }

    /// The beginnings of all statements that the hub has run within three seconds from the start
    /// of `what`.
    pub(crate) async fn during(
        &self,
        what: impl Future<Output = Result<()>>,
    ) -> Result<Vec<String>> {
        let before = std::fs::metadata(&self.file)?.len();
        what.await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let log = std::fs::read(&self.file)?;
        let new = log.get(usize::try_from(before)?..).unwrap_or_default();
        Ok(statements(&String::from_utf8_lossy(new)))
    }
}

/// Each statement on one line, at most [`BEGINNING`] characters of it.
fn statements(log: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut is_ours = false;
    for line in log.lines() {
        let text = if let Some(more) = line.strip_prefix('\t') {
            Some(more).filter(|_| is_ours)
        } else {
            let named = line.strip_prefix("syncline LOG:  execute ");
            let begun = named
                .and_then(|rest| rest.split_once(": "))
                .map(|(_, text)| text)
                .or(line.strip_prefix("syncline LOG:  statement: "));
            is_ours = begun.is_some();
            if is_ours {
                all.push(String::new());
            }
            begun
        };
        if let (Some(text), Some(last)) = (text, all.last_mut()) {
            for word in text.split_whitespace() {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(word);
            }
        }
    }
    for statement in &mut all {
        if let Some((end, _)) = statement.char_indices().nth(BEGINNING) {
            statement.truncate(end);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::statements;

    #[test]
    fn a_statement_of_many_lines_is_one() {
        let log = "syncline LOG:  statement: begin\n\
                   other LOG:  execute s1: select 1\n\tfrom other\n\
                   syncline LOG:  execute sqlx_s_2: \n\tselect a,\n\t  b\n\
                   syncline DETAIL:  parameters: $1 = 'x'\n\
                   syncline LOG:  statement: commit\n";
        assert_eq!(statements(log), ["begin", "select a, b", "commit"]);
    }
}
