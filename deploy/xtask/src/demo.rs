//! `cargo x demo`: the first command of a newcomer.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, bail};

use crate::{console, generate, http, pg, run};

/// A first start makes a cluster, migrates and pulls the demo's data; a busy machine takes its time.
const LONGEST_START: Duration = Duration::from_secs(180);
const LONGEST_READY: Duration = Duration::from_secs(30);
const LONGEST_STOP: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(crate) struct Demo {
    /// Start, ask for the hub's health and the console's page, print the times, and stop.
    #[arg(long)]
    once: bool,
    /// Handed to `syncline demo`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl Demo {
    /// As CI runs it.
    pub(crate) fn once() -> Self {
        Self {
            once: true,
            arguments: Vec::new(),
        }
    }
}

pub(crate) fn run(demo: &Demo) -> Result<()> {
    let started = Instant::now();
    if run::variable("DATABASE_URL").is_none() {
        pg::provide()?;
    }
    let console = console::build()?;
    if let Err(why) = &console {
        eprintln!("  the console is left out: {why}");
    }
    let hub = generate::hub()?;
    let built = started.elapsed();
    if demo.once {
        return once(&hub, &demo.arguments, console.is_ok(), built);
    }
    // The hub takes our place: Ctrl-C goes to it alone, and the shell waits for its end.
    let error = run::command(&hub).arg("demo").args(&demo.arguments).exec();
    Err(error).with_context(|| format!("cannot run {}", hub.display()))
}

/// Starts as at the very first time, looks, and stops.
fn once(hub: &Path, arguments: &[String], with_console: bool, built: Duration) -> Result<()> {
    let started = Instant::now();
    let running = Running::start(run::command(hub), arguments)?;
    let checked = look_at(&running.address, with_console);
    let ready = started.elapsed();
    let stopped = running.stop();
    checked?;
    let stopping = stopped?;
    let seconds = Duration::as_secs_f64;
    println!(
        "demo: built in {:.1} s, answering after {:.1} s, stopped in {:.1} s",
        seconds(&built),
        seconds(&ready),
        seconds(&stopping)
    );
    if !with_console {
        println!("demo: the console was not there to be checked");
    }
    Ok(())
}

fn look_at(address: &str, with_console: bool) -> Result<()> {
    http::get(address, "/health")?;
    if with_console {
        let page = http::get(address, "/")?;
        if !page.to_ascii_lowercase().contains("<!doctype html>") {
            bail!("{address}/ is not the console's page");
        }
    }
    Ok(())
}

/// A hub with its demo data on a free port, in a folder of its own: nobody's data is touched, and
/// every start is a first one. It does not outlive this value.
pub(crate) struct Running {
    child: Child,
    data: PathBuf,
    /// `http://host:port`, as it was printed.
    pub(crate) address: String,
}

impl Running {
    /// Starts the hub, whose command may carry its environment, and waits for its address.
    pub(crate) fn start(mut hub: Command, arguments: &[String]) -> Result<Self> {
        let data = std::env::temp_dir().join(format!("syncline-once-{}", std::process::id()));
        let child = hub
            .args(["demo", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", hub.get_program().display()))?;
        let mut running = Self {
            child,
            data,
            address: String::new(),
        };
        running.address = printed_address(&mut running.child)?;
        Ok(running)
    }

    /// Waits until it says that it is ready to work.
    pub(crate) fn wait_until_ready(&self) -> Result<()> {
        let started = Instant::now();
        loop {
            match http::get(&self.address, "/ready") {
                Ok(_) => return Ok(()),
                Err(error) if started.elapsed() > LONGEST_READY => {
                    return Err(error.context("the hub did not become ready"));
                }
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// Ends it as Ctrl-C does, and removes its data; returns how long the end took.
    pub(crate) fn stop(mut self) -> Result<Duration> {
        let stopped = stop(&mut self.child)?;
        if self.data.exists() {
            fs::remove_dir_all(&self.data)
                .with_context(|| format!("cannot remove {}", self.data.display()))?;
        }
        Ok(stopped)
    }
}

impl Drop for Running {
    /// Only after a failure, which is told already, is there still something to do.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None))
            && let Err(error) = stop(&mut self.child)
        {
            eprintln!("  {error:#}");
        }
        if self.data.exists()
            && let Err(error) = fs::remove_dir_all(&self.data)
        {
            eprintln!("  cannot remove {}: {error}", self.data.display());
        }
    }
}

/// The first address that the hub prints, while its output goes on to the terminal.
fn printed_address(child: &mut Child) -> Result<String> {
    let output = child.stdout.take().context("the hub has no output")?;
    let (found, address) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            if let Some(address) = address_in(&line) {
                // Only the first is waited for; nobody listens to the others.
                let _first_only = found.send(address);
            }
        }
    });
    match address.recv_timeout(LONGEST_START) {
        Ok(address) => Ok(address),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            bail!(
                "syncline demo printed no address in {} s",
                LONGEST_START.as_secs()
            )
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            bail!("syncline demo ended before it printed its address")
        }
    }
}

fn address_in(line: &str) -> Option<String> {
    let start = line.find("http://")?;
    let rest = &line[start..];
    let host = &rest["http://".len()..];
    let end = host
        .find(|c: char| c.is_whitespace() || c == '/')
        .unwrap_or(host.len());
    Some(rest[.."http://".len() + end].to_owned())
}

/// Ctrl-C, and then patience; a hub that does not end is killed and reported.
fn stop(child: &mut Child) -> Result<Duration> {
    let started = Instant::now();
    run::check(
        "kill",
        run::command("kill").args(["-INT", &child.id().to_string()]),
    )?;
    while started.elapsed() < LONGEST_STOP {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("syncline demo ended with {status} after Ctrl-C");
            }
            return Ok(started.elapsed());
        }
        thread::sleep(Duration::from_millis(50));
    }
    child.kill()?;
    child.wait()?;
    bail!(
        "syncline demo did not stop within {} s of Ctrl-C",
        LONGEST_STOP.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::address_in;

    #[test]
    fn the_address_is_found_in_what_the_hub_prints() {
        let line = "  Console   http://127.0.0.1:8080/ (Ctrl-C stops)";
        assert_eq!(address_in(line).as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(
            address_in("open http://[::1]:9").as_deref(),
            Some("http://[::1]:9")
        );
        assert_eq!(address_in("migrated in 0.3 s"), None);
    }
}
