//! Everything that a gateway leans on breaks, one after another, under load. Each
//! row of the table says what broke, what became of the requests meanwhile, and how
//! often the gateway asked for tokens.

mod report;
mod rows;
mod token_rows;
mod world;

use world::World;

#[test]
fn nothing_that_breaks_is_answered_wrongly_lost_or_done_twice() {
    let mut world = World::new();
    token_rows::run(&mut world);
    rows::run(&mut world);
    world.report.finish();
}
