//! What git carries is what people read: nothing large, and nothing that only one machine knows.

use std::fs;

const LARGEST: u64 = 1 << 20;

#[test]
fn no_large_file_is_tracked() {
    let findings: Vec<_> = house::files()
        .unwrap()
        .into_iter()
        .filter_map(|file| {
            let bytes = fs::metadata(&file.path).unwrap().len();
            (bytes > LARGEST).then(|| format!("{}: {bytes} bytes", file.name))
        })
        .collect();
    house::assert_none("files over a megabyte", &findings);
}

#[test]
fn nothing_names_a_folder_of_one_machine() {
    // In two halves, so that this file does not find itself.
    let homes = [
        ("/ro", "ot/"),
        ("/ho", "me/"),
        ("/Us", "ers/"),
        ("/wo", "rk/"),
    ]
    .map(|(start, end)| format!("{start}{end}"));
    let mut findings = Vec::new();
    for file in house::sources().unwrap() {
        for (number, line) in file.text().unwrap().lines().enumerate() {
            if homes.iter().any(|home| names_folder(line, home)) {
                findings.push(format!("{}:{}: {}", file.name, number + 1, line.trim()));
            }
        }
    }
    house::assert_none("folders of one machine", &findings);
}

/// Whether the folder stands at the beginning of a path, not in the middle of one.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"._-/*}~:".contains(c))
    })
}

#[test]
fn lock_files_name_no_server() {
    let mut findings = Vec::new();
    for file in house::files().unwrap() {
        let is_lock = file.is(&["package-lock.json", "Cargo.lock"]);
        let official = "registry+https://github.com/rust-lang/crates.io-index";
        if is_lock
            && file
                .text()
                .unwrap()
                .replace(official, "")
                .contains("\"https://")
        {
            let told: Vec<_> = file
                .text()
                .unwrap()
                .lines()
                .filter(|line| line.contains("\"resolved\"") || line.contains("source = \"git"))
                .map(|line| format!("{}: {}", file.name, line.trim()))
                .collect();
            findings.extend(told);
        }
    }
    house::assert_none("packages tied to a server", &findings);
}
