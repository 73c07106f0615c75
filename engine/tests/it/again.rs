//! Restart and fork: going on from a point of the journal.

use std::sync::Arc;
use std::time::Duration;

use engine::ids::{RunId, TenantId};
use engine::store::runs::{self, Fork, From, RunFilter, RunPage, RunState, StartOptions};
use engine::store::signals;
use engine::{Deadline, Engine, Run, RunError, Step, StepCx, StepError, StoreError, Workflow};

use crate::support::{Trace, World, eventually};

struct Say(&'static str, String);

impl Step for Say {
    const NAME: &'static str = "say";
    type Output = String;

    fn key(&self) -> String {
        self.0.to_owned()
    }

    async fn run(&self, cx: &StepCx) -> Result<String, StepError> {
        cx.service::<Trace>()?
            .add(format!("say {} {}", self.0, self.1));
        Ok(self.1.clone())
    }
}

/// Says, calls, waits for a word, says.
struct Story;

impl Workflow for Story {
    const NAME: &'static str = "story";
    type Input = String;
    type Output = Vec<String>;

    async fn run(cx: &mut Run, input: String) -> Result<Vec<String>, RunError> {
        let first = cx.step(Say("first", input.clone())).await?;
        let told = cx
            .call::<Echo>(format!("{input}!"), StartOptions::default())
            .await?;
        let word = cx.signal::<String>("word", None).await?;
        let last = cx.step(Say("last", input)).await?;
        Ok(vec![first, told, word.unwrap_or_default(), last])
    }
}

struct Echo;

impl Workflow for Echo {
    const NAME: &'static str = "echo";
    type Input = String;
    type Output = String;

    async fn run(_cx: &mut Run, input: String) -> Result<String, RunError> {
        Ok(input)
    }
}

/// The next version of a story: without the call, and with the word said.
struct Story2;

impl Workflow for Story2 {
    const NAME: &'static str = "story";
    const VERSION: u16 = 2;
    type Input = String;
    type Output = Vec<String>;

    async fn run(cx: &mut Run, input: String) -> Result<Vec<String>, RunError> {
        let first = cx.step(Say("first", input)).await?;
        let word = cx.signal::<String>("word", None).await?.unwrap_or_default();
        let said = cx.step(Say("word", word)).await?;
        Ok(vec![first, said])
    }
}

/// What stands in the way of a story: code of the same version with other steps.
struct Broken;

impl Workflow for Broken {
    const NAME: &'static str = "story";
    type Input = String;
    type Output = ();

    async fn run(cx: &mut Run, input: String) -> Result<(), RunError> {
        cx.step(Say("other", input)).await?;
        Ok(())
    }
}

async fn told(world: &World) -> (Engine, Arc<Trace>, RunId) {
    let trace = Trace::new();
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Story>()
        .register::<Story2>()
        .register::<Echo>()
        .start();
    let id = world.start::<Story>(&"a".to_owned()).await;
    engine
        .signal(world.tenant, id, "word", &"w", None)
        .await
        .unwrap();
    world.until(id, RunState::Succeeded).await;
    (engine, trace, id)
}

fn text(output: Option<Vec<u8>>) -> String {
    String::from_utf8(output.unwrap()).unwrap()
}

#[tokio::test]
async fn a_restart_runs_again_what_comes_from_the_step_on() {
    let world = World::new().await;
    let (engine, trace, id) = told(&world).await;
    assert_eq!(trace.lines(), ["say first a", "say last a"]);
    // The last step alone.
    engine
        .restart(world.tenant, id, From::Step(3))
        .await
        .unwrap();
    eventually("it ran again", || async { trace.count("say last a") == 2 }).await;
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(text(run.output), r#"["a","a!","w","a"]"#);
    assert_eq!(trace.count("say first a"), 1);
    // From the call on: a new child, the same signal once more.
    engine
        .restart(world.tenant, id, From::Step(1))
        .await
        .unwrap();
    eventually("it ran again", || async { trace.count("say last a") == 3 }).await;
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!(text(run.output), r#"["a","a!","w","a"]"#);
    let children = "select count(*) from all_runs where workflow = 'echo'";
    assert_eq!(world.count(children).await, 2);
    let waited_for =
        "select count(*) from all_runs where workflow = 'echo' and wakes_parent and parent_seq = 1";
    assert_eq!(world.count(waited_for).await, 1);
    assert_eq!(
        world
            .count("select count(*) from signals where taken_seq = 2")
            .await,
        1
    );
    // All of it.
    engine.restart(world.tenant, id, From::Start).await.unwrap();
    eventually("it ran again", || async { trace.count("say last a") == 4 }).await;
    world.until(id, RunState::Succeeded).await;
    assert_eq!(trace.count("say first a"), 2);
    assert_eq!(world.steps(id).await.len(), 4);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_waiting_run_can_be_restarted_and_its_child_goes_on_alone() {
    let world = World::new().await;
    let trace = Trace::new();
    // Nobody runs the child.
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .park_unknown_after(Duration::ZERO)
        .register::<Story>()
        .start();
    sqlx::query("update runs set due_at = now()")
        .execute(&world.sql)
        .await
        .unwrap();
    let id = world.start::<Story>(&"a".to_owned()).await;
    eventually("its child is parked", || async {
        world
            .count("select count(*) from all_runs where workflow = 'echo' and state = 'parked'")
            .await
            == 1
    })
    .await;
    world.until(id, RunState::Waiting).await;
    engine
        .restart(world.tenant, id, From::Step(0))
        .await
        .unwrap();
    eventually("it has a second child", || async {
        world
            .count("select count(*) from all_runs where workflow = 'echo'")
            .await
            == 2
    })
    .await;
    assert_eq!(trace.count("say first a"), 2);
    let waited_for = "select count(*) from all_runs where workflow = 'echo' and wakes_parent";
    assert_eq!(world.count(waited_for).await, 1);
    engine.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_restarted_or_forked_is_refused_with_a_reason() {
    let world = World::new().await;
    let (engine, _trace, id) = told(&world).await;
    let tenant = world.tenant;
    let no_step = engine.restart(tenant, id, From::Step(4)).await;
    assert!(
        matches!(&no_step, Err(StoreError::NotFound(what)) if *what == format!("step 4 of run {id}")),
        "{no_step:?}"
    );
    let negative = engine
        .fork(tenant, id, From::Step(-1), Fork::default())
        .await;
    assert!(matches!(negative, Err(StoreError::NotFound(_))));
    let not_failed = engine.restart(tenant, id, From::Failed).await;
    assert!(
        matches!(&not_failed, Err(StoreError::Conflict(why))
            if why.ends_with("is succeeded and cannot be restarted from a failed step")),
        "{not_failed:?}"
    );
    let unknown = engine.restart(tenant, RunId::fresh(), From::Start).await;
    assert!(matches!(unknown, Err(StoreError::NotFound(_))));
    let strangers = engine.restart(TenantId::fresh(), id, From::Start).await;
    assert!(matches!(strangers, Err(StoreError::NotFound(_))));
    let version = Fork {
        version: Some(9),
        ..Fork::default()
    };
    let no_code = engine.fork(tenant, id, From::Start, version).await;
    assert!(matches!(
        no_code,
        Err(StoreError::UnknownWorkflow { version: 9, .. })
    ));
    let under_way = "
        with back as (delete from finished_runs where id = $1 returning *)
        insert into runs (tenant_id, id, workflow, version, state, owner, trigger, input, created_at)
        select tenant_id, id, workflow, version, 'running', gen_random_uuid(), trigger, input,
               created_at
        from back";
    sqlx::query(under_way)
        .bind(id.0)
        .execute(&world.sql)
        .await
        .unwrap();
    for from in [From::Start, From::Step(0)] {
        let running = engine.restart(tenant, id, from).await;
        assert!(
            matches!(&running, Err(StoreError::Conflict(why))
                if why.ends_with("is running and cannot be restarted")),
            "{running:?}"
        );
        let running = engine.fork(tenant, id, from, Fork::default()).await;
        assert!(matches!(running, Err(StoreError::Conflict(_))));
    }
    assert_eq!(world.steps(id).await.len(), 4);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_fork_begins_with_a_copy_of_the_journal_and_leaves_the_other_run_alone() {
    let world = World::new().await;
    let (engine, trace, id) = told(&world).await;
    let fork = Fork {
        input: Some(br#""b""#.to_vec()),
        version: None,
    };
    let copy = engine
        .fork(world.tenant, id, From::Step(2), fork)
        .await
        .unwrap();
    let run = world.until(copy, RunState::Succeeded).await;
    assert_eq!(text(run.output), r#"["a","a!","w","b"]"#);
    assert_eq!(
        (run.forked_from, run.trigger.as_str()),
        (Some((id, 2)), "fork")
    );
    assert_eq!(trace.count("say first a"), 1);
    let old = world.run(id).await;
    assert_eq!(text(old.output), r#"["a","a!","w","a"]"#);
    assert_eq!((old.activations, old.forked_from), (2, None));
    assert_eq!(world.steps(copy).await.len(), 4);
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let page = RunPage {
        after: None,
        limit: 10,
    };
    let listed = runs::list(&mut tx, &RunFilter::default(), page)
        .await
        .unwrap();
    assert!(listed.iter().any(|run| run.forked_from == Some((id, 2))));
    engine.shutdown().await;
}

#[tokio::test]
async fn a_fork_to_a_newer_version_is_the_way_out_for_a_parked_run() {
    let world = World::new().await;
    let trace = Trace::new();
    let old = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Story>()
        .register::<Echo>()
        .start();
    let id = world.start::<Story>(&"a".to_owned()).await;
    eventually("it waits for a word", || async {
        world.steps(id).await.len() == 2 && world.run(id).await.state == RunState::Waiting
    })
    .await;
    old.shutdown().await;
    let new = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Broken>()
        .register::<Story2>()
        .start();
    new.signal(world.tenant, id, "word", &"w", None)
        .await
        .unwrap();
    world.until(id, RunState::Parked).await;
    let fork = Fork {
        version: Some(2),
        ..Fork::default()
    };
    let copy = new
        .fork(world.tenant, id, From::Step(1), fork)
        .await
        .unwrap();
    let run = world.until(copy, RunState::Succeeded).await;
    assert_eq!(
        (text(run.output).as_str(), run.version),
        (r#"["a","w"]"#, 2)
    );
    assert_eq!(trace.lines(), ["say first a", "say word w"]);
    // The signal was copied, not moved.
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let left = signals::of_run(&mut tx, id).await.unwrap();
    assert_eq!(left[0].taken_seq, None);
    assert_eq!(world.run(id).await.state, RunState::Parked);
    new.shutdown().await;
}

#[tokio::test]
async fn a_restart_lifts_the_deadline_and_the_cancellation() {
    let world = World::new().await;
    let trace = Trace::new();
    let engine = world
        .engine()
        .await
        .service(trace.clone())
        .register::<Story>()
        .register::<Echo>()
        .start();
    let options = StartOptions {
        deadline: Some(Deadline::After(Duration::from_millis(400))),
        ..StartOptions::default()
    };
    let id = world.start_with::<Story>(&"a".to_owned(), options).await;
    assert!(world.run(id).await.deadline.is_some());
    world.until(id, RunState::Failed).await;
    engine.restart(world.tenant, id, From::Start).await.unwrap();
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    signals::send(&mut tx, id, "word", br#""w""#, None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let run = world.until(id, RunState::Succeeded).await;
    assert_eq!((run.deadline, run.cancel_requested), (None, false));
    engine.shutdown().await;
}
