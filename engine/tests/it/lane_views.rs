//! What lanes hold, what an action on one would touch, and why a run does not go.

use std::time::Duration;

use engine::ids::ConnectionId;
use engine::store::lanes::{self, Action, Lane, Touched};
use engine::store::runs::StartOptions;
use engine::{Run, RunError, Workflow};

use crate::support::{World, eventually};

struct Waits;

impl Workflow for Waits {
    const NAME: &'static str = "waits";
    type Input = ();
    type Output = ();

    async fn run(cx: &mut Run, (): ()) -> Result<(), RunError> {
        cx.signal::<()>("go", None).await.map(drop)
    }
}

fn on(key: &str, connection: ConnectionId) -> StartOptions {
    StartOptions {
        key: Some(key.into()),
        connection_id: Some(connection),
        ..StartOptions::default()
    }
}

fn pause() -> Action {
    Action::Pause {
        by: "Ann".into(),
        reason: "moving".into(),
    }
}

#[tokio::test]
async fn a_plan_counts_what_the_action_touches_and_changes_nothing() {
    let world = World::new().await;
    let connection = ConnectionId::fresh();
    let engine = world.engine().await.register::<Waits>().start();
    for _ in 0..3 {
        world.start_with::<Waits>(&(), on("k", connection)).await;
    }
    eventually("one waits, the others are behind it", || async {
        world.count("select count(*) from runs where behind").await == 2
            && world
                .count("select count(*) from runs where state = 'waiting'")
                .await
                == 1
    })
    .await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    let all = Touched {
        changes: true,
        queued: 2,
        running: 0,
        waiting: 1,
    };
    for lane in [
        Lane::Tenant,
        Lane::Workflow("waits".into()),
        Lane::Connection(connection),
        Lane::Key("k".into()),
    ] {
        let plan = lanes::plan(&mut tx, &lane, &pause()).await.unwrap();
        assert_eq!(plan, all, "{lane}");
        assert_eq!(lanes::get(&mut tx, &lane).await.unwrap().paused, None);
        let nothing = lanes::plan(&mut tx, &lane, &Action::Resume).await.unwrap();
        assert_eq!(nothing, Touched::default(), "{lane}");
        assert_eq!(lanes::act(&mut tx, &lane, &pause()).await.unwrap(), all);
        // The same again changes nothing.
        let again = lanes::act(&mut tx, &lane, &pause()).await.unwrap();
        assert_eq!(again, Touched::default(), "{lane}");
        let resumed = lanes::act(&mut tx, &lane, &Action::Resume).await.unwrap();
        assert_eq!(resumed, all, "{lane}");
    }
    let other = Lane::Workflow("other".into());
    let none = lanes::plan(&mut tx, &other, &pause()).await.unwrap();
    assert_eq!((none.changes, none.queued, none.waiting), (true, 0, 0));
    tx.commit().await.unwrap();
    engine.shutdown().await;
}

#[tokio::test]
async fn a_lane_shows_what_it_holds_and_a_run_which_lanes_hold_it() {
    let world = World::new().await;
    let connection = ConnectionId::fresh();
    let engine = world.engine().await.register::<Waits>().start();
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(world.start_with::<Waits>(&(), on("k", connection)).await);
    }
    eventually("one waits, the others are behind it", || async {
        world.count("select count(*) from runs where behind").await == 2
    })
    .await;
    let key = Lane::Key("k".into());
    let behind = world.run(runs[2]).await;
    assert_eq!(behind.behind, Some(key.clone()));
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    // Nobody has said anything about it, and still it holds runs back.
    let listed = lanes::list(&mut tx, None, 100).await.unwrap();
    let [lane] = listed.as_slice() else {
        panic!("{listed:?}");
    };
    assert_eq!((&lane.lane, lane.running, lane.waiting), (&key, 1, 2));
    let holding = lanes::holding(&mut tx, &behind).await.unwrap();
    assert_eq!(holding.len(), 1);
    assert_eq!(holding[0].lane, key);
    let close = Action::Close {
        until: tx.now() + Duration::from_secs(60),
        reason: "limit of the account is reached".into(),
    };
    let account = Lane::Connection(connection);
    lanes::act(&mut tx, &account, &close).await.unwrap();
    lanes::act(&mut tx, &Lane::Tenant, &pause()).await.unwrap();
    let holding = lanes::holding(&mut tx, &behind).await.unwrap();
    let names: Vec<_> = holding.iter().map(|row| row.lane.kind()).collect();
    assert_eq!(names, ["tenant", "connection", "key"]);
    let pages: Vec<_> = [
        lanes::list(&mut tx, None, 2).await.unwrap(),
        lanes::list(&mut tx, Some("key/k"), 2).await.unwrap(),
    ]
    .concat();
    let names: Vec<_> = pages.iter().map(|row| row.lane.kind()).collect();
    assert_eq!(names, ["connection", "key", "tenant"]);
    tx.commit().await.unwrap();
    let waits = world.run(runs[0]).await;
    let mut tx = world.store.begin(world.tenant).await.unwrap();
    assert!(lanes::holding(&mut tx, &waits).await.unwrap().is_empty());
    let stranger = engine::ids::TenantId::fresh();
    let mut tx = world.store.begin(stranger).await.unwrap();
    assert!(lanes::list(&mut tx, None, 100).await.unwrap().is_empty());
    assert_eq!(lanes::get(&mut tx, &key).await.unwrap().waiting, 0);
    engine.shutdown().await;
}
