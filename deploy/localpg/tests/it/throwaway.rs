use localpg::Throwaway;

#[test]
fn a_throwaway_cluster_is_gone_when_dropped() {
    let throwaway = Throwaway::start().unwrap();
    let dir = throwaway.cluster().dir().to_path_buf();
    assert_eq!(
        throwaway
            .cluster()
            .execute("postgres", "show fsync")
            .unwrap(),
        ["off"]
    );
    let second = Throwaway::start().unwrap();
    assert_ne!(second.cluster().dir(), dir);
    drop(throwaway);
    assert!(!dir.exists());
    assert!(second.cluster().is_running().unwrap());
}
