//! Whose turn it is. All tasks of all simulated processes are polled here, one at a time, in an order
//! that the seed decides; tokio only keeps the time, which stands still while any task is ready.
//!
//! A process can be stopped (none of its tasks is polled, while time goes on for the others) and can
//! die at any await: after so many polls its tasks are dropped where they are.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::rng::Rng;
use crate::locked::locked;

/// The world's own tasks belong to no process.
pub(crate) const NOBODY: usize = usize::MAX;

type TaskId = u64;

struct Task {
    process: usize,
    /// Away while it is polled.
    future: Option<BoxFuture<'static, ()>>,
}

struct Inner {
    rng: Rng,
    tasks: BTreeMap<TaskId, Task>,
    ready: BTreeSet<TaskId>,
    next: TaskId,
    stopped: BTreeSet<usize>,
    /// Processes that die when they have been polled so often.
    doomed: BTreeMap<usize, u64>,
    root: Option<Waker>,
    polls: u64,
}

/// The tasks of a world; cheap to clone.
#[derive(Clone)]
pub(crate) struct Executor(Arc<Mutex<Inner>>);

struct Woken {
    id: TaskId,
    executor: Executor,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        let mut inner = locked(&self.executor.0);
        inner.ready.insert(self.id);
        if let Some(root) = &inner.root {
            root.wake_by_ref();
        }
    }
}

thread_local! {
    /// Whose task is polled.
    static CURRENT: RefCell<Option<(Executor, usize)>> = const { RefCell::new(None) };
}

fn current() -> Option<(Executor, usize)> {
    CURRENT.with_borrow(Clone::clone)
}

/// A task of the process that is polled now.
pub(crate) fn own<F>(future: F) -> BoxFuture<'static, F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    match current() {
        None => Box::pin(future),
        Some((executor, process)) => Box::pin(executor.spawn(process, future)),
    }
}

/// Something that goes on whatever becomes of the process: the server's work.
pub(crate) fn beside(future: impl Future<Output = ()> + Send + 'static) {
    if let Some((executor, _)) = current() {
        executor.add(NOBODY, Box::pin(future));
    }
}

/// Lets others go first, if the seed says so.
pub(crate) async fn turn() {
    let mut gone = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut gone, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Takes its task away when it is dropped.
struct Handle {
    executor: Executor,
    id: TaskId,
}

impl Drop for Handle {
    fn drop(&mut self) {
        let task = {
            let mut inner = locked(&self.executor.0);
            inner.ready.remove(&self.id);
            inner.tasks.remove(&self.id)
        };
        drop(task);
    }
}

impl Executor {
    pub(crate) fn new(rng: Rng) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rng,
            tasks: BTreeMap::new(),
            ready: BTreeSet::new(),
            next: 0,
            stopped: BTreeSet::new(),
            doomed: BTreeMap::new(),
            root: None,
            polls: 0,
        })))
    }

    fn add(&self, process: usize, future: BoxFuture<'static, ()>) -> TaskId {
        let mut inner = locked(&self.0);
        inner.next += 1;
        let id = inner.next;
        let future = Some(future);
        inner.tasks.insert(id, Task { process, future });
        inner.ready.insert(id);
        if let Some(root) = &inner.root {
            root.wake_by_ref();
        }
        id
    }

    /// Runs a future as a task of a process; dropping what is returned drops the task.
    pub(crate) fn spawn<F>(
        &self,
        process: usize,
        future: F,
    ) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let (done, outcome) = oneshot::channel();
        let task = async move {
            // Nobody may wait for it any more.
            drop(done.send(future.await));
        };
        let handle = Handle {
            id: self.add(process, Box::pin(task)),
            executor: self.clone(),
        };
        async move {
            let _handle = handle;
            match outcome.await {
                Ok(output) => output,
                // The process has died.
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Stops a process where it is.
    pub(crate) fn stop(&self, process: usize) {
        locked(&self.0).stopped.insert(process);
    }

    pub(crate) fn go_on(&self, process: usize) {
        let mut inner = locked(&self.0);
        inner.stopped.remove(&process);
        if let Some(root) = &inner.root {
            root.wake_by_ref();
        }
    }

    /// Lets a process die when its tasks have been polled so often.
    pub(crate) fn doom(&self, process: usize, after: u64) {
        locked(&self.0).doomed.insert(process, after);
    }

    pub(crate) fn is_doomed(&self, process: usize) -> bool {
        locked(&self.0).doomed.contains_key(&process)
    }

    /// Drops all tasks of a process.
    pub(crate) fn kill(&self, process: usize) {
        let gone: Vec<Task> = {
            let mut inner = locked(&self.0);
            let ids: Vec<_> = inner
                .tasks
                .iter()
                .filter(|(_, task)| task.process == process)
                .map(|(id, _)| *id)
                .collect();
            inner.ready.retain(|id| !ids.contains(id));
            inner.stopped.remove(&process);
            inner.doomed.remove(&process);
            ids.iter().filter_map(|id| inner.tasks.remove(id)).collect()
        };
        drop(gone);
    }

    pub(crate) fn polls(&self) -> u64 {
        locked(&self.0).polls
    }

    /// Polls until `main`, a task of nobody, has ended.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        main: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let mut main = std::pin::pin!(self.spawn(NOBODY, main));
        std::future::poll_fn(|cx| {
            locked(&self.0).root = Some(cx.waker().clone());
            self.poll_one();
            if let Poll::Ready(output) = main.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            if self.has_ready() {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    fn has_ready(&self) -> bool {
        let inner = locked(&self.0);
        inner.ready.iter().any(|id| inner.may_go(*id))
    }

    fn poll_one(&self) {
        let (id, process, mut future, dies) = {
            let mut inner = locked(&self.0);
            let ready: Vec<_> = inner
                .ready
                .iter()
                .copied()
                .filter(|id| inner.may_go(*id))
                .collect();
            if ready.is_empty() {
                return;
            }
            let id = *inner.rng.choose(&ready);
            inner.ready.remove(&id);
            inner.polls += 1;
            let Some(task) = inner.tasks.get_mut(&id) else {
                return;
            };
            let (process, future) = (task.process, task.future.take());
            let left = inner.doomed.get_mut(&process);
            let dies = left.is_some_and(|left| {
                *left = left.saturating_sub(1);
                *left == 0
            });
            let Some(future) = future else { return };
            (id, process, future, dies)
        };
        if dies {
            drop(future);
            self.kill(process);
            return;
        }
        let waker = Waker::from(Arc::new(Woken {
            id,
            executor: self.clone(),
        }));
        let before = CURRENT.replace(Some((self.clone(), process)));
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        CURRENT.set(before);
        let mut inner = locked(&self.0);
        match polled {
            Poll::Ready(()) => {
                inner.tasks.remove(&id);
                inner.ready.remove(&id);
                drop(inner);
            }
            Poll::Pending => {
                if let Some(task) = inner.tasks.get_mut(&id) {
                    task.future = Some(future);
                    return;
                }
                // It was taken away while it was polled.
                drop(inner);
                drop(future);
            }
        }
    }
}

impl Inner {
    fn may_go(&self, id: TaskId) -> bool {
        self.tasks
            .get(&id)
            .is_some_and(|task| !self.stopped.contains(&task.process))
    }
}
