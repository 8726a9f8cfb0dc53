//! Imports in `src/db_proxy` and `src/msg_server` go one way: from the tables of commands to
//! handlers, from handlers to what they share, from there to plain data. The catalogue is made of
//! what the wire format is, which knows nothing of commands. The files are read as text, so a use
//! that only a macro spells out is not seen.

mod graph;

use graph::{Graph, Module};
use std::collections::BTreeSet;

fn graph() -> Graph {
    Graph::read(&["db_proxy", "msg_server"])
}

fn path(text: &str) -> Module {
    text.split("::").map(str::to_string).collect()
}

/// The modules at and below `from` use nothing of `src/` but what is at or below one of `to`.
fn only(graph: &Graph, from: &str, to: &[&str]) {
    let of = |module: &Module, roots: &[Module]| roots.iter().any(|root| module.starts_with(root));
    let (from, to) = ([path(from)], to.iter().map(|to| path(to)).collect::<Vec<_>>());
    let modules: Vec<_> = graph.0.iter().filter(|(module, _)| of(module, &from)).collect();
    assert!(!modules.is_empty(), "no module {from:?}");
    for (module, used) in modules {
        let wrong: Vec<_> = used.iter().filter(|used| !of(used, &to)).collect();
        assert!(wrong.is_empty(), "{module:?} imports {wrong:?}");
    }
}

#[test]
fn no_two_files_import_each_other() {
    let circle = graph().circle();
    assert_eq!(circle, None, "a circle of imports");
}

#[test]
fn plumbing_of_db_proxy_imports_no_handler_and_its_data_no_plumbing() {
    let graph = graph();
    only(&graph, "db_proxy::data", &["db_proxy::data"]);
    only(&graph, "db_proxy::plumbing", &["db_proxy::data", "db_proxy::plumbing"]);
}

#[test]
fn the_wire_format_knows_no_command_and_the_catalogue_no_role() {
    let graph = Graph::read(&["catalogue", "client", "db_proxy", "link", "msg_server", "wire"]);
    only(&graph, "wire", &["wire"]);
    only(&graph, "catalogue", &["catalogue", "wire"]);
}

/// A room is what `table` names, a handler is what the file of its room binds to a command. So what
/// several handlers need lies in a file of its own, beside them, and a room's file names its
/// children without being named by them.
#[test]
fn only_the_table_imports_rooms_of_db_proxy_and_only_its_room_a_handler() {
    let graph = graph();
    let table = path("db_proxy::table");
    let rooms: BTreeSet<Module> =
        graph.0[&table].iter().filter(|used| used[1] != "plumbing").cloned().collect();
    assert_eq!(rooms.len(), 6, "{rooms:?}");
    only_by(&graph, &table, &rooms);
    let mut handlers = 0;
    for room in &rooms {
        let bound: BTreeSet<Module> =
            graph.0[room].iter().filter(|used| used.starts_with(room)).cloned().collect();
        only_by(&graph, room, &bound);
        handlers += bound.len();
    }
    assert!(handlers > 15, "{handlers}");
}

/// Nothing but `by` imports one of these.
fn only_by(graph: &Graph, by: &Module, these: &BTreeSet<Module>) {
    for (module, used) in graph.0.iter().filter(|(module, _)| *module != by) {
        let wrong: Vec<_> = used.intersection(these).collect();
        assert!(wrong.is_empty(), "{module:?} imports {wrong:?}");
    }
}

#[test]
fn the_state_of_msg_server_imports_no_handler() {
    only(&graph(), "msg_server::state", &["msg_server::state", "msg_server::config"]);
}

#[test]
fn only_the_role_itself_imports_the_tables_of_msg_server() {
    let graph = graph();
    let tables = ["from_client", "from_db", "from_route"].map(|name| {
        let table = path(&format!("msg_server::{name}"));
        assert!(graph.0.contains_key(&table), "{table:?}");
        table
    });
    for (module, used) in graph.0.iter().filter(|(module, _)| **module != path("msg_server")) {
        assert!(!tables.iter().any(|table| used.contains(table)), "{module:?} imports a table");
    }
}

/// The graph sees what it is to see.
#[test]
fn imports_and_paths_are_read_as_the_compiler_does() {
    let texts = [
        ("role", "mod a;\nmod b;\nmod c;\nuse a::{One, b_of as other};\nfn f() { b::run() }"),
        ("role::a", "use super::{\n    b::{self as other, B},\n    Config,\n};\nuse std::fmt;"),
        ("role::b", "use crate::role::c;\n// super::a::x\nfn f() { super::c::run() }"),
        ("role::c", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::role::a::A;\n}"),
    ];
    let texts = texts.map(|(module, text)| (path(module), text.to_string())).into();
    let graph = Graph::of(&texts);
    let used = |module: &str| -> Vec<String> {
        graph.0[&path(module)].iter().map(|used| used.join("::")).collect()
    };
    assert_eq!(used("role"), ["role::a", "role::b"]);
    assert_eq!(used("role::a"), ["role", "role::b"]);
    assert_eq!(used("role::b"), ["role::c"]);
    assert_eq!(used("role::c"), [""; 0]);
    assert_eq!(graph.circle(), Some(vec![path("role"), path("role::a")]));
}
