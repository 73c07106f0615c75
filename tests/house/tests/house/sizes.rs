//! A file is read as a whole by whoever opens it first. Past 500 lines it is split by noun, or its
//! first lines say why not: `// long: reason`.

const LONGEST: usize = 500;
const MARK: &str = "long: ";
/// How far down the reason may stand.
const FIRST_LINES: usize = 5;

#[test]
fn long_files_say_why() {
    let mut findings = Vec::new();
    for file in house::sources().unwrap() {
        if !file.is(&[
            ".rs", ".ts", ".tsx", ".js", ".sql", ".sh", ".py", ".css", ".ci/run",
        ]) {
            continue;
        }
        let text = file.text().unwrap();
        let lines = text.lines().count();
        let has_reason = text.lines().take(FIRST_LINES).any(|line| {
            line.split_once(MARK)
                .is_some_and(|(_, reason)| !reason.trim().is_empty())
        });
        if lines > LONGEST && !has_reason {
            findings.push(format!("{}: {lines} lines", file.name));
        }
    }
    house::assert_none("files to split", &findings);
}
