//! Removals in the hub that reach a system.

use anyhow::Result;
use engine::ids::EntityId;
use engine::sync::edit::Edited;
use engine::sync::outbox;
use engine::sync::remove::{Removing, remove};

use super::{PHONE, plain};
use crate::world::World;
use crate::world::server::Server;

impl World<'_> {
    /// A person removes an entity, where its records are to go too.
    async fn removes(&mut self, id: EntityId) -> Result<()> {
        let follow = "update streams set on_remove = 'delete' where tenant_id = $1";
        self.server.spoil(self.tenant, follow).await?;
        let version = self.entity(id).await?.version;
        let mut tx = self.begin().await?;
        let (tables, user) = (&self.server.tables, self.user);
        let what = ("account", id);
        let Edited { owed, .. } =
            remove(&mut tx, tables, what, version, Removing::Archive, user).await?;
        outbox::start_pushes(&mut tx, &owed, "edit").await?;
        tx.commit().await?;
        Ok(())
    }
}

#[tokio::test]
async fn what_is_removed_here_goes_there_too() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (_, account) = world.read_one(0, &[]).await?;
    world.removes(account.id).await?;
    world.drain().await?;
    assert_eq!(world.peers[0].state().living(), Vec::<String>::new());
    world.rests().await
}

// 9, the other way round and between the look and the call
#[tokio::test]
async fn a_record_edited_there_just_before_its_deletion_is_asked_about_and_stays() -> Result<()> {
    let server = Server::new().await?;
    let mut world = World::with(&server, &[plain()], None).await?;
    let (key, account) = world.read_one(0, &[(PHONE, "5550001".into())]).await?;
    world.removes(account.id).await?;
    // Look, apply, claim.
    world.steps(3).await?;
    world.sets_there(0, &key, PHONE, "5550002");
    world.drain().await?;
    assert_eq!(world.peers[0].state().living(), [key.as_str()]);
    assert_eq!(world.there(0, &key, PHONE), "5550002".into());
    let open = "select count(*) from conflicts
                where tenant_id = $1 and kind = 'delete' and state = 'open'";
    assert_eq!(world.count(open).await?, 1);
    assert!(world.entity(account.id).await?.removed_at.is_some());
    world.rests().await
}
