use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn id() -> ScheduleId {
    ScheduleId(uuid::Uuid::from_u128(7))
}

fn times(timing: &Timing) -> Times {
    Times::new(timing).unwrap()
}

/// The next `count` moments, as text.
fn next(timing: &Timing, after: &str, count: usize) -> Vec<String> {
    let firings = times(timing).firings(id(), at(after), count);
    let text = |firing: &Firing| firing.nominal.format("%m-%dT%H:%M").to_string();
    firings.iter().map(text).collect()
}

fn new_york(cron: &str) -> Timing {
    Timing::new(cron, "America/New_York")
}

#[test]
fn a_time_is_that_of_the_zones_wall_clock() {
    let weekdays = Timing::new("30 9 * * 1-5", "Europe/Berlin");
    let wanted = ["20", "23", "24", "25", "26"].map(|day| format!("11-{day}T08:30"));
    assert_eq!(next(&weekdays, "2026-11-19T12:00:00Z", 5), wanted);
}

// New York, 8 March 2026: at 07:00 UTC 02:00 becomes 03:00.
#[test]
fn a_time_in_the_spring_gap_fires_after_it_or_not_at_all() {
    for cron in [
        "30 2 * * *",
        "0,30 2 * * *",
        "*/15 2 * * *",
        "30 2,14 * * *",
    ] {
        let after = new_york(cron);
        let fired = next(&after, "2026-03-08T05:00:00Z", 1);
        assert_eq!(fired, ["03-08T07:00"], "{cron}");
        let skip = Timing {
            gap: Gap::Skip,
            ..after
        };
        let fired = next(&skip, "2026-03-08T05:00:00Z", 1);
        assert_ne!(fired, ["03-08T07:00"], "{cron}");
    }
    // All of the gap at once, and once only with what is due then anyway.
    let both = new_york("0,30 2,3 * * *");
    assert_eq!(
        next(&both, "2026-03-08T05:00:00Z", 3),
        ["03-08T07:00", "03-08T07:30", "03-09T06:00"]
    );
}

#[test]
fn every_hour_leaves_the_gap_out() {
    assert_eq!(
        next(&new_york("30 * * * *"), "2026-03-08T05:45:00Z", 3),
        ["03-08T06:30", "03-08T07:30", "03-08T08:30"]
    );
}

// New York, 1 November 2026: at 06:00 UTC 02:00 becomes 01:00.
#[test]
fn a_time_in_the_autumn_repeat_fires_once_or_twice() {
    let once = new_york("15,45 1 * * *");
    assert_eq!(
        next(&once, "2026-11-01T04:00:00Z", 4),
        ["11-01T05:15", "11-01T05:45", "11-02T06:15", "11-02T06:45"]
    );
    let twice = Timing {
        repeat: Repeat::Twice,
        ..once
    };
    let all = [
        "11-01T05:15",
        "11-01T05:45",
        "11-01T06:15",
        "11-01T06:45",
        "11-02T06:15",
    ];
    assert_eq!(next(&twice, "2026-11-01T04:00:00Z", 5), all);
    // From wherever one begins to look.
    for (from, rest) in [
        ("2026-11-01T05:20:00Z", 1),
        ("2026-11-01T05:59:59Z", 2),
        ("2026-11-01T06:00:00Z", 2),
        ("2026-11-01T06:15:00Z", 3),
        ("2026-11-01T07:00:00Z", 4),
    ] {
        assert_eq!(next(&twice, from, 5 - rest), all[rest..], "{from}");
    }
}

#[test]
fn every_hour_goes_through_the_repeated_hour_in_order() {
    let firings = times(&new_york("*/30 * * * *")).firings(id(), at("2026-11-01T04:59:00Z"), 6);
    for pair in firings.windows(2) {
        assert_eq!((pair[1].nominal - pair[0].nominal).num_minutes(), 30);
    }
}

#[test]
fn walking_and_jumping_find_the_same_times() {
    let zones = [
        "America/New_York",
        "Australia/Lord_Howe",
        "Antarctica/Troll",
    ];
    for (zone, cron) in zones
        .into_iter()
        .flat_map(|zone| ["*/7 * * * *", "*/20 1,2,3 * * *", "30 2 * * *"].map(|cron| (zone, cron)))
    {
        for (gap, repeat) in [(Gap::RunAfter, Repeat::Twice), (Gap::Skip, Repeat::Once)] {
            let timing = Timing {
                gap,
                repeat,
                ..Timing::new(cron, zone)
            };
            let times = times(&timing);
            for day in ["03-07", "03-28", "04-04", "10-03", "10-24", "10-31"] {
                let begin = at(&format!("2026-{day}T00:00:00Z"));
                let end = begin + TimeDelta::days(3);
                let mut walked = times.firings(id(), begin, 700);
                walked.retain(|firing| firing.at <= end);
                assert!(
                    walked.is_sorted_by(|a, b| a.nominal < b.nominal),
                    "{timing:?}"
                );
                for minutes in (0..3 * 1440).step_by(53) {
                    let from = begin + TimeDelta::minutes(minutes);
                    let place = walked.partition_point(|firing| firing.nominal <= from);
                    assert_eq!(
                        times.firing(id(), from).filter(|firing| firing.at <= end),
                        walked.get(place).copied(),
                        "{timing:?} {from}"
                    );
                }
                let newest = times.newest_due(id(), begin, end, 2);
                assert_eq!(newest, walked[walked.len() - 2..], "{timing:?}");
            }
        }
    }
}

#[test]
fn nothing_is_due_outside_of_start_and_end() {
    let bounded = Timing {
        starts_at: Some(at("2026-11-20T10:05:00Z")),
        ends_at: Some(at("2026-11-20T10:15:00Z")),
        ..Timing::new("*/5 * * * *", "UTC")
    };
    assert_eq!(
        next(&bounded, "2026-11-20T00:00:00Z", 9),
        ["11-20T10:05", "11-20T10:10", "11-20T10:15"]
    );
    let first = |after| times(&bounded).first(id(), at(after));
    assert!(first("2026-11-20T10:14:00Z").is_ok());
    let error = first("2026-11-20T10:15:00Z").unwrap_err();
    assert_eq!(error, CronError::NothingLeft("*/5 * * * *".into()));
    let backwards = Timing {
        starts_at: bounded.ends_at,
        ends_at: bounded.starts_at,
        ..bounded.clone()
    };
    assert_eq!(
        Times::new(&backwards).unwrap_err(),
        CronError::EndBeforeStart
    );
}

#[test]
fn jitter_is_the_same_everywhere_and_keeps_the_order() {
    let timing = Timing {
        jitter_seconds: 600,
        ..Timing::new("*/5 * * * *", "UTC")
    };
    let (here, there) = (times(&timing), times(&timing));
    let begin = at("2026-11-20T10:00:00Z");
    let firings = here.firings(id(), begin, 100);
    assert_eq!(
        firings[42],
        there.firing(id(), firings[41].nominal).unwrap()
    );
    for pair in firings.windows(2) {
        assert!(pair[0].at >= pair[0].nominal && pair[0].at < pair[1].nominal);
    }
    let late = |firing: &Firing| (firing.at - firing.nominal).num_seconds();
    let average = firings.iter().map(late).sum::<i64>() / 100;
    assert!((100..200).contains(&average), "of 0 to 300: {average}");
    let other = here.firing(ScheduleId(uuid::Uuid::from_u128(8)), begin);
    assert_ne!(other, Some(firings[0]));
    // One whose jitter is still to come is not due.
    let one = firings[10];
    let due = here.newest_due(id(), one.nominal, one.at - TimeDelta::milliseconds(1), 9);
    assert_eq!(due, []);
    assert_eq!(here.newest_due(id(), one.nominal, one.at, 9), [one]);
}

#[test]
fn what_slept_for_years_looks_back_only_as_far_as_it_must() {
    let minutely = times(&Timing::new("* * * * *", "Europe/Berlin"));
    let now = at("2036-11-20T10:00:30Z");
    let due = minutely.newest_due(id(), at("2026-11-20T10:00:00Z"), now, 3);
    let wanted = ["09:58", "09:59", "10:00"].map(|time| at(&format!("2036-11-20T{time}:00Z")));
    assert_eq!(
        due.iter().map(|one| one.nominal).collect::<Vec<_>>(),
        wanted
    );
    let yearly = times(&Timing::new("0 0 1 1 *", "UTC"));
    let due = yearly.newest_due(id(), at("2030-01-01T00:00:00Z"), now, 100);
    assert_eq!(due.len(), 7);
}

#[test]
fn nonsense_is_refused_with_a_reason_one_can_act_on() {
    for (cron, words) in [
        ("", "0 fields"),
        ("* * * *", "4 fields, not the five minute, hour"),
        ("* * * * * *", "6 fields"),
        ("61 * * * *", "out of bounds"),
        ("0 0 * * mo", "not valid: "),
        ("hello", "1 fields"),
        ("5-1 * * * *", "not valid: "),
    ] {
        let error = Times::new(&Timing::new(cron, "UTC")).unwrap_err();
        assert!(matches!(error, CronError::Expression { .. }), "{cron}");
        let text = error.to_string();
        assert!(text.contains(words) && !text.ends_with('.'), "{text}");
    }
    for (zone, words) in [
        ("Mars/Olympus", "names look like \"Europe/Berlin\""),
        ("Berlin", "\"Europe/Berlin\" is"),
        ("america/new york", "\"America/New_York\" is"),
    ] {
        let text = Times::new(&Timing::new("* * * * *", zone)).unwrap_err();
        assert!(text.to_string().contains(words), "{text}");
    }
    let long = Timing {
        jitter_seconds: 3601,
        ..Timing::new("* * * * *", "UTC")
    };
    assert_eq!(Times::new(&long).unwrap_err(), CronError::Jitter(3601));
}

#[test]
fn a_day_that_never_comes_is_said_to_never_come() {
    let never = times(&Timing::new("0 0 30 2 *", "UTC"));
    let error = never.first(id(), at("2026-11-20T00:00:00Z")).unwrap_err();
    assert_eq!(error, CronError::Never("0 0 30 2 *".into()));
    assert_eq!(never.firing(id(), at("2026-11-20T00:00:00Z")), None);
}
