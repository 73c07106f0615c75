//! What processes use, read from `/proc`.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result};
use localpg::Cluster;

/// Clock ticks per second of `/proc/<pid>/stat`; 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// Processor seconds a process has used, with those of its children that have ended.
pub(crate) fn cpu(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name stands in parentheses and may hold anything.
    let (_, rest) = stat
        .rsplit_once(')')
        .context("unexpected /proc/<pid>/stat")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let sum: Option<f64> = (11..=14).map(ticks).sum();
    Ok(sum.context("unexpected /proc/<pid>/stat")? / TICKS)
}

/// Resident memory in MB.
pub(crate) fn resident(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    Ok(kb.context("no resident memory")? / 1024.0)
}

/// A process and all below it.
pub(crate) fn tree(root: u32) -> Result<Vec<u32>> {
    let mut parents: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // Gone since the folder was listed.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse().ok()) {
            parents.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&pid) = found.get(at) {
        found.extend(parents.get(&pid).into_iter().flatten());
        at += 1;
    }
    Ok(found)
}

/// Processor seconds of a process and all below it.
pub(crate) fn cpu_of_tree(root: u32) -> Result<f64> {
    Ok(tree(root)?
        .into_iter()
        .filter_map(|pid| cpu(pid).ok())
        .sum())
}

pub(crate) fn postmaster(cluster: &Cluster) -> Result<u32> {
    let file = cluster.dir().join("data/postmaster.pid");
    let text = std::fs::read_to_string(&file)?;
    Ok(text
        .lines()
        .next()
        .context("empty postmaster.pid")?
        .trim()
        .parse()?)
}
