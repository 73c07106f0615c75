//! Builds the console when its sources are newer than what was built.

use std::path::Path;

use anyhow::Result;

use crate::node::Node;
use crate::{run, tree};

/// The console's folder, from the root.
pub(crate) const FOLDER: &str = "portal-api/console";

/// Builds the console if need be. `Err` inside: one line why there is none, which is not fatal for
/// a demo: the hub then says so on its page.
pub(crate) fn build() -> Result<Result<(), String>> {
    let dir = tree::root().join(FOLDER);
    if !dir.join("package.json").is_file() {
        return Ok(Err(format!("{FOLDER} has no package.json")));
    }
    if !is_stale(&dir)? {
        return Ok(Ok(()));
    }
    let node = match Node::find() {
        Ok(node) => node,
        Err(why) => return Ok(Err(why)),
    };
    node.install(Path::new(FOLDER))?;
    run::step(
        "console: npm run build",
        &mut node.npm(Path::new(FOLDER), &["run", "build"])?,
    )?;
    Ok(Ok(()))
}

fn is_stale(dir: &Path) -> Result<bool> {
    let built = dir.join("dist/index.html");
    let sources = tree::files(dir, |path| !path.ends_with(".gitkeep"))?;
    Ok(sources.iter().any(|source| tree::is_stale(&built, source)))
}
