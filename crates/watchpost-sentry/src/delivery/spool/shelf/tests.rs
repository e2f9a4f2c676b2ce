//! What goes when the bound is reached, and what a failing disk leaves.

use super::*;
use crate::{delivery::parcel::Parcel, wire::EventId};

fn shelf(max_bytes: u64) -> Shelf {
    Shelf::new(&SpoolConfig::new("nowhere").with_max_bytes(max_bytes)).with_segment_bytes(4_096)
}

fn log(shelf: &mut Shelf) -> Place {
    let json = [b'x'; 500];
    shelf.append(Item::Log(&json), Load::new(Lane::Log, 1, 500), 0)
}

fn error(shelf: &mut Shelf) -> Place {
    let parcel = Parcel::single(Lane::Error, EventId([1; 16]), None, vec![b'x'; 500], 0);
    shelf.append(Item::Sealed(&parcel), parcel.load, 0)
}

fn items(loads: &[Load], lane: Lane) -> u64 {
    loads.iter().filter(|load| load.lane == lane).map(|load| load.items).sum()
}

/// What a process that takes over would find: the segments as the writer would have written them.
fn on_disk(commands: Vec<Command>) -> Vec<Vec<u8>> {
    let mut files: BTreeMap<FileId, Vec<u8>> = BTreeMap::new();
    for command in commands {
        match command {
            Command::Append { file, mut bytes } => {
                record::seal(&mut bytes);
                files.entry(file).or_default().extend(bytes);
            }
            Command::Delete { file } => drop(files.remove(&file)),
            Command::Acknowledge { .. } | Command::Read { .. } => {}
        }
    }
    files.into_values().collect()
}

#[test]
fn a_flood_of_logs_pushes_out_logs_only_and_what_is_in_memory_stays_on_disk() {
    let mut shelf = shelf(64 * 1024);
    let mut held = Vec::new();
    let mut dropped = Vec::new();
    let mut commands = Vec::new();
    for number in 0..2_000 {
        let place = log(&mut shelf);
        // Of the logs only the newest fit into memory.
        held.push(place);
        if held.len() > 20 {
            assert!(shelf.spill(&[held.remove(0)]));
        }
        if number % 100 == 0 {
            error(&mut shelf);
        }
        dropped.extend(shelf.make_room());
        commands.extend(shelf.take_commands());
    }
    assert!(shelf.bytes() <= 64 * 1024);
    assert!(items(&dropped, Lane::Log) > 1_800);
    assert_eq!(items(&dropped, Lane::Error), 0);
    assert_eq!(shelf.kept()[Lane::Error as usize].items, 20);
    let found: Vec<record::Entry> =
        on_disk(commands).iter().flat_map(|content| record::scan(content).entries).collect();
    let count = |lane| found.iter().filter(|entry| entry.load.lane == lane).count() as u64;
    assert_eq!(count(Lane::Error), 20, "all of them are in memory, and none has lost its place on disk");
    assert_eq!(count(Lane::Log), shelf.kept()[Lane::Log as usize].items);
    assert!(shelf.spill(&held), "those in memory still have their places");
}

#[test]
fn a_bound_that_is_smaller_than_memory_holds_and_costs_only_the_place_on_disk() {
    let mut shelf = shelf(16 * 1024);
    for _ in 0..200 {
        log(&mut shelf);
        assert!(shelf.make_room().is_empty(), "what is in memory is not dropped");
    }
    assert!(shelf.bytes() <= 16 * 1024);
    assert!(shelf.kept()[Lane::Log as usize].items < 200);
}

#[test]
fn a_failed_disk_keeps_what_is_found_on_it_and_gives_back_what_was_on_it_only() {
    let mut shelf = shelf(1 << 20);
    let places: Vec<Place> = (0..6).map(|_| log(&mut shelf)).collect();
    let [Command::Append { file, bytes }] = &mut shelf.take_commands()[..] else { panic!("more than one file") };
    record::seal(bytes);
    assert!(shelf.spill(&places[..4]));
    shelf.fail();
    let mut found = record::scan(bytes);
    // Of those spilled one is lost, of those in memory another.
    found.entries.remove(4);
    found.entries.remove(1);
    let lost = shelf.confirm(*file, &found);
    assert_eq!(items(&lost, Lane::Log), 1);
    assert_eq!((shelf.kept()[Lane::Log as usize].items, shelf.spilled(Lane::Log)), (4, 3));
    assert_eq!(log(&mut shelf), Place::NOWHERE);
}

#[test]
fn each_lane_is_written_to_a_segment_of_its_own_in_one_go() {
    let mut shelf = shelf(1 << 20);
    for _ in 0..3 {
        log(&mut shelf);
        error(&mut shelf);
    }
    let commands = shelf.take_commands();
    assert_eq!(commands.len(), 2);
    for content in on_disk(commands) {
        let entries = record::scan(&content).entries;
        assert_eq!(entries.len(), 3);
        assert!(entries.iter().all(|entry| entry.load.lane == entries[0].load.lane));
    }
}

#[test]
fn what_could_not_be_read_back_is_not_put_on_the_shelf() {
    let mut shelf = shelf(u64::MAX);
    let long = vec![b'x'; MAX_ITEM_BYTES as usize + 1];
    let place = shelf.append(Item::Log(&long), Load::new(Lane::Log, 1, long.len() as u64), 0);
    assert_eq!(place, Place::NOWHERE);
    let load = Load::new(Lane::Log, 1, MAX_ITEM_BYTES);
    assert_ne!(shelf.append(Item::Log(&long[1..]), load, 0), Place::NOWHERE);
    let on_disk = on_disk(shelf.take_commands());
    assert_eq!((on_disk.len(), record::scan(&on_disk[0]).entries.len()), (1, 1));
}
