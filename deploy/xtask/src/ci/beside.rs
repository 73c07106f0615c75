//! Parts beside each other: much of what CI does waits, for a lease to run out or for a page to be
//! painted, and the compilers can use that time.
//!
//! Each part is a process of its own, which writes to a log of its own. The log is shown whole when
//! the part has ended, so that no two parts' lines are mixed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Part;
use crate::{run, tree};

/// What background parts leave to the others: next to everything, while those want it.
const NICE: &str = "15";

/// Lines of a failed part's log that are shown once more at the very end: whoever reads only that
/// learns why.
const LAST_LINES: usize = 80;

/// When a part began, counted from the beginning of all, and how long it took.
struct Time {
    name: &'static str,
    began: Duration,
    took: Duration,
}

/// Runs these parts, each as soon as those that it comes after have passed. After a failure none
/// begins; those under way go on to their end.
pub(super) fn run(parts: &[Part]) -> Result<()> {
    let logs = tree::target().join("ci");
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let beginning = Instant::now();
    let (ended, ends) = mpsc::channel();
    let mut waiting: Vec<&Part> = parts.iter().collect();
    let mut under_way: Vec<&'static str> = Vec::new();
    let mut times: Vec<Time> = Vec::new();
    let mut failed: Vec<&'static str> = Vec::new();
    loop {
        let may_begin = |part: &Part, times: &[Time]| {
            let is_over = |name: &&str| times.iter().any(|time| time.name == *name);
            let is_wanted = |name: &&&str| parts.iter().any(|part| part.name == **name);
            part.after.iter().filter(is_wanted).all(is_over)
        };
        let ready = |part: &&Part| failed.is_empty() && may_begin(part, &times);
        let (begin, rest): (Vec<&Part>, Vec<&Part>) = waiting.into_iter().partition(ready);
        waiting = rest;
        for part in begin {
            let (name, log) = (part.name, log_of(&logs, part.name));
            let mut command = command(part, &log)?;
            let (began, ended) = (beginning.elapsed(), ended.clone());
            thread::spawn(move || {
                let status = command.status();
                // Nobody listens when the loop was left by an error.
                let _told = ended.send((name, began, status));
            });
            under_way.push(name);
            eprintln!("… {name} (at {} s)", began.as_secs());
        }
        if under_way.is_empty() {
            break;
        }
        let (name, began, status) = ends.recv().context("a part ended without a word")?;
        under_way.retain(|one| *one != name);
        let took = beginning.elapsed() - began;
        show(name, &log_of(&logs, name))?;
        let status = status.with_context(|| format!("cannot run the part {name}"))?;
        eprintln!("  {name}: {:.1} s", took.as_secs_f64());
        times.push(Time { name, began, took });
        if !status.success() {
            eprintln!("━━ failed: {name}");
            failed.push(name);
        }
    }
    table(&times, beginning.elapsed());
    if !waiting.is_empty() {
        let rest: Vec<_> = waiting.iter().map(|part| part.name).collect();
        println!("not run: {}", rest.join(", "));
    }
    for name in &failed {
        println!("━━ the end of {name}");
        println!("{}", last_lines(&log_of(&logs, name))?);
    }
    let passed = times.len() - failed.len();
    println!("parts: {passed} passed, {} failed", failed.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn log_of(logs: &Path, name: &str) -> PathBuf {
    logs.join(format!("{}.log", name.replace(' ', "-")))
}

/// This program again, for one part.
fn command(part: &Part, log: &Path) -> Result<Command> {
    let this = std::env::current_exe().context("cannot tell where this program is")?;
    let mut command = if part.background && run::exists("nice", &["--version"]) {
        let mut nice = run::command("nice");
        nice.args(["-n", NICE]).arg(this);
        nice
    } else {
        run::command(this)
    };
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = output.try_clone().context("cannot share a log")?;
    command.args(["ci", part.name]);
    command.stdout(output).stderr(errors);
    Ok(command)
}

fn last_lines(log: &Path) -> Result<String> {
    let bytes = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"))
}

fn show(name: &str, log: &Path) -> Result<()> {
    eprintln!("━━ {name}");
    let mut text =
        File::open(log).with_context(|| format!("cannot read the log of the part {name}"))?;
    std::io::copy(&mut text, &mut std::io::stderr()).context("cannot show a log")?;
    Ok(())
}

fn table(times: &[Time], together: Duration) {
    println!();
    println!("{:<22} {:>9} {:>9}", "", "began at", "took");
    let mut by_beginning: Vec<_> = times.iter().collect();
    by_beginning.sort_by_key(|time| time.began);
    for time in by_beginning {
        println!(
            "{:<22} {:>7.1} s {:>7.1} s",
            time.name,
            time.began.as_secs_f64(),
            time.took.as_secs_f64()
        );
    }
    println!(
        "{:<22} {:>9} {:>7.1} s",
        "together",
        "",
        together.as_secs_f64()
    );
}
