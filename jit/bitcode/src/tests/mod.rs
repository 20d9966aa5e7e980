//! Tests of the whole reader: hand-made streams, compiled modules, damaged modules.

mod bounds;
mod compiled;
mod hand_made;
mod mutants;

use crate::{BodyReader, Constants, Event, Module, Result};

/// Reads everything in a file and hands every instruction to `each`, with its function's index.
pub(crate) fn read_all(file: &[u8], mut each: impl FnMut(u32, &Event<'_>)) -> Result<()> {
    let module = Module::parse(file)?;
    let mut reader = BodyReader::new(&module);
    for function in 0..module.functions().len() as u32 {
        if reader.open(function, &mut Constants::default())?.is_some() {
            while let Some(event) = reader.next_event()? {
                each(function, &event);
            }
        }
    }
    Ok(())
}
