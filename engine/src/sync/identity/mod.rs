//! Whose records are: what people say of those that are held ([`decide()`]), links that are moved
//! ([`relink()`]), and records that became one over there ([`follow()`]).

mod converted;
mod decide;
mod follow;
mod join;
mod relink;

pub use self::decide::decide;
pub use self::follow::{
    FOLLOW_WAITS, FOLLOW_WORKFLOW, FollowInput, Followed, follow, start_follow,
};
pub use self::join::Joined;
pub use self::relink::{Place, Relinked, Wish, preview, relink};
