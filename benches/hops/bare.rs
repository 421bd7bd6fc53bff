//! The limit: a wait, a read and a write. The same as `c/hops_epoll.c`.

use std::io;

use rustix::event::epoll;

use super::{End, Ring};
use crate::row::Load;

pub(super) fn epoll(ring: &Ring, idle: &[End], load: Load) -> io::Result<f64> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (which, end) in ring.0.from.iter().chain(idle).enumerate() {
        let data = epoll::EventData::new_u64(which as u64);
        epoll::add(&epoll, end, data, epoll::EventFlags::IN)?;
    }
    let mut events = Vec::with_capacity(1024);
    ring.timed(load, || {
        while !ring.is_done() {
            events.clear();
            epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
            for event in &events {
                ring.hop(event.data.u64() as usize)?;
            }
        }
        Ok(())
    })
}
