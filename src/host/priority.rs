//! Which of our own threads go first when there are fewer processors than work.

use super::sys::process;
use std::io;

/// By so much a thread that may wait goes behind the others: at 10, those get nine times its share of a processor.
const BEHIND: i32 = 10;

/// From now on this thread, with those that it starts, goes behind the others: whoever asks much slows down who asks.
pub fn go_behind() -> io::Result<()> {
    process::set_nice(BEHIND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_goes_behind_and_the_others_do_not() {
        let nice =
            |task: &str| crate::host::proc::Stat::parse(&std::fs::read(task).expect("it is there")).map(|it| it.nice);
        let ours = nice("/proc/thread-self/stat");
        let behind = std::thread::spawn(move || (go_behind().is_ok(), nice("/proc/thread-self/stat")));
        assert_eq!(behind.join().expect("it ends"), (true, Some(BEHIND)));
        assert_eq!(nice("/proc/thread-self/stat"), ours);
    }
}
