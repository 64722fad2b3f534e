//! What the loop tells the doors: never waited for, and counted where it finds no room.

use crate::model::news::News;
use crate::model::time::Wall;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// So many tellings may wait for the doors.
const WAITING: usize = 4096;

/// One telling.
#[derive(Debug)]
pub enum Feed {
    /// Something happened.
    News(Wall, News),
}

/// The loop's end.
#[derive(Debug)]
pub struct Feeder {
    feed: Sender<Feed>,
    missed: u64,
}

impl Feeder {
    /// Both ends.
    pub fn new() -> (Self, Receiver<Feed>) {
        let (feed, comes) = channel(WAITING);
        (Self { feed, missed: 0 }, comes)
    }

    /// Tells what happened, or how much could not be told before it.
    pub fn tell(&mut self, at: Wall, news: News) {
        if self.missed > 0 {
            let why = "the doors were too busy to be told".to_owned();
            let gap = News::Missed { count: Some(self.missed), why };
            if self.feed.try_send(Feed::News(at, gap)).is_err() {
                self.missed += 1;
                return;
            }
            self.missed = 0;
        }
        if let Err(TrySendError::Full(_)) = self.feed.try_send(Feed::News(at, news)) {
            self.missed += 1;
        }
    }
}
