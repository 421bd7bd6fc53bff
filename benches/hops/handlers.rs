//! Ours with a handler on each descriptor.

use std::io;

use tevent_context::{Context, FdFlags};

use super::{End, Ring};
use crate::row::Load;

pub(super) fn tevent(ring: &Ring, crowd: &[End], load: Load) -> io::Result<f64> {
    let context = Context::new()?;
    let handle = context.handle();
    let idle = |end: &End| handle.fd(end.clone(), FdFlags::READ, |_, _| ());
    let _idle = crowd.iter().map(idle).collect::<io::Result<Vec<_>>>()?;
    let watch = |(which, end): (usize, &End)| {
        let ring = ring.clone();
        handle.fd(end.clone(), FdFlags::READ, move |this, _| {
            ring.hop(which).expect("the next end has room for a byte");
            if ring.is_done() {
                this.handle().stop();
            }
        })
    };
    let ends = ring.0.from.iter().enumerate();
    let _ends = ends.map(watch).collect::<io::Result<Vec<_>>>()?;
    ring.timed(load, || context.run())
}
