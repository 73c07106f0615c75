//! Versions are written once, in the workspace's manifest, so that two crates never differ.

#[test]
fn crates_take_their_versions_from_the_workspace() {
    let mut findings = Vec::new();
    for file in house::files().unwrap() {
        if file.name == "Cargo.toml" || !file.is(&["/Cargo.toml"]) {
            continue;
        }
        let mut in_dependencies = false;
        for line in file.text().unwrap().lines() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies");
            } else if in_dependencies && line.contains('=') {
                let from_workspace = line.contains("workspace = true") || line.contains("path = ");
                if !from_workspace {
                    findings.push(format!("{}: {line}", file.name));
                }
            }
        }
    }
    house::assert_none("dependencies without `workspace = true`", &findings);
}

#[test]
fn crates_take_their_lints_from_the_workspace() {
    let findings: Vec<_> = house::files()
        .unwrap()
        .into_iter()
        .filter(|file| file.is(&["/Cargo.toml"]))
        .filter(|file| !file.text().unwrap().contains("[lints]\nworkspace = true"))
        .map(|file| file.name)
        .collect();
    house::assert_none("manifests without the workspace's lints", &findings);
}
