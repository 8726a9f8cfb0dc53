use super::{Danger, Danger::*, Difference, compare};
use std::{fs, path::PathBuf, process};

/// A tree of .proto files in a folder of its own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("sim-wire-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).expect("a folder");
        for (file, text) in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        Self(root)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const HEAD: &str = "syntax = \"proto2\"; package P;\n";

fn between(name: &str, old: &str, new: &str) -> Vec<Difference> {
    let tree = |side: &str, text: &str| {
        Folder::new(&format!("{name}-{side}"), &[("a.proto", &format!("{HEAD}{text}"))])
    };
    let (old, new) = (tree("old", old), tree("new", new));
    let found = compare(&old.0, &new.0).unwrap_or_else(|e| panic!("{name}: {e}"));
    for Difference { why, .. } in &found {
        assert!(why.ends_with('.') && !why[..why.len() - 1].contains(". "), "one sentence: {why}");
    }
    found
}

/// The names, what changed and for whom it is unsafe.
fn shown(found: &[Difference]) -> Vec<(&str, &str, Danger)> {
    found.iter().map(|of| (&*of.name, &*of.what, of.danger)).collect()
}

/// A message with these fields beside one with those differs in `wanted`, and the other way round in the
/// mirror of that.
#[track_caller]
fn fields(name: &str, old: &str, new: &str, wanted: &[(&str, &str, Danger)]) -> Vec<Difference> {
    let parts = "message A { optional uint32 a = 1; } message B { optional uint32 b = 1; } \
                 message C { optional string c = 1; } enum E { ZERO = 0; ONE = 1; } enum F { NIL = 0; EINS = 1; } \
                 enum G { NONE = 0; TWO = 2; } enum N { NO = 0; LESS = -1; }";
    let text = |fields: &str| format!("{parts} message M {{ {fields} }}");
    let found = between(name, &text(old), &text(new));
    assert_eq!(shown(&found), wanted, "{name}");
    let mirrored = |danger| match danger {
        OldReadsNew => NewReadsOld,
        NewReadsOld => OldReadsNew,
        other => other,
    };
    let back = between(&format!("{name}-back"), &text(new), &text(old));
    let dangers = |found: &[Difference]| {
        let mut all: Vec<_> = found.iter().map(|of| of.danger).collect();
        all.sort();
        all
    };
    let mut wanted: Vec<_> = found.iter().map(|of| mirrored(of.danger)).collect();
    wanted.sort();
    assert_eq!(dangers(&back), wanted, "{name}, back");
    found
}

#[test]
fn a_field_that_is_added_or_removed_is_safe_unless_it_is_required() {
    let a = "optional uint32 a = 1;";
    fields(
        "optional",
        a,
        &format!("{a} optional string b = 2;"),
        &[("P.M.b", "optional field 2 added", Neither)],
    );
    fields(
        "repeated",
        a,
        &format!("{a} repeated uint32 b = 2;"),
        &[("P.M.b", "repeated field 2 added", Neither)],
    );
    let found = fields(
        "required",
        a,
        &format!("{a} required string b = 2;"),
        &[("P.M.b", "required field 2 added", NewReadsOld)],
    );
    assert_eq!(
        found[0].to_string(),
        "P.M.b: required field 2 added: unsafe when new reads old. Old nodes do not write it, and a new \
         reader refuses every message without it."
    );
    let gone =
        |text| between("gone", "message M { required uint32 a = 1; optional uint32 b = 2; }", text);
    let found = gone("message M { optional uint32 b = 2; }");
    assert_eq!(shown(&found), [("P.M.a", "required field 1 removed", OldReadsNew)]);
    let found = gone("message M { required uint32 a = 1; reserved 2; }");
    assert!(!found[0].why.contains("should be reserved"), "{}", found[0]);
    let found = gone("message M { required uint32 a = 1; }");
    assert_eq!(shown(&found), [("P.M.b", "optional field 2 removed", Neither)]);
    assert!(found[0].why.contains("should be reserved"), "{}", found[0]);
}

#[test]
fn a_field_is_its_number() {
    fields(
        "moved",
        "optional uint32 a = 1;",
        "optional uint32 a = 2;",
        &[("P.M.a", "renumbered from 1 to 2", Both)],
    );
    fields(
        "swapped",
        "optional uint32 a = 1; optional uint32 b = 2;",
        "optional uint32 a = 2; optional uint32 b = 1;",
        &[("P.M.a", "renumbered from 1 to 2", Both), ("P.M.b", "renumbered from 2 to 1", Both)],
    );
    fields(
        "renamed",
        "optional uint32 a = 1;",
        "optional uint32 b = 1;",
        &[("P.M.a", "renamed to b", Neither)],
    );
    // Each number that somebody else has now is dangerous, whoever had it.
    fields(
        "taken",
        "optional uint32 a = 1; optional uint32 b = 2;",
        "optional uint32 c = 1; optional uint32 a = 2;",
        &[
            ("P.M.a", "renumbered from 1 to 2", Both),
            ("P.M.b", "optional field 2 removed", Both),
            ("P.M.c", "optional field 1 added", Both),
        ],
    );
}

#[test]
fn a_number_that_was_reserved_is_no_free_one() {
    let found = between(
        "reserved",
        "message M { reserved 2, 5 to 7; } enum E { ZERO = 0; reserved 3; } message N { optional E e = 1; }",
        "message M { optional uint32 a = 2; optional uint32 b = 7; optional uint32 c = 8; } \
         enum E { ZERO = 0; THREE = 3; } message N { optional E e = 1; }",
    );
    assert_eq!(
        shown(&found),
        [
            ("P.E.THREE", "value 3 added, which base reserves", Both),
            ("P.M.a", "optional field 2 added, which base reserves", Both),
            ("P.M.b", "optional field 7 added, which base reserves", Both),
            ("P.M.c", "optional field 8 added", Neither),
        ]
    );
}

#[test]
fn some_types_read_each_other() {
    let check = |old: &str, new: &str, danger| {
        let shown = |ty: &str| if ty.len() == 1 { format!("P.{ty}") } else { ty.to_string() };
        let what = format!("type changed from {} to {}", shown(old), shown(new));
        let text = |ty: &str| format!("repeated {ty} a = 1;");
        fields(&format!("{old}-{new}"), &text(old), &text(new), &[("P.M.a", &what, danger)])
    };
    // The first is the old one, and whoever reads the narrower type can't have all that the other one writes.
    for (old, new, danger) in [
        ("int32", "int64", OldReadsNew),
        ("int32", "uint32", Both),
        ("int32", "uint64", Both),
        ("uint32", "int64", OldReadsNew),
        ("uint32", "uint64", OldReadsNew),
        ("int64", "uint64", Both),
        ("int64", "bool", NewReadsOld),
        ("bool", "uint32", OldReadsNew),
        ("uint64", "int32", Both),
        ("sint32", "sint64", OldReadsNew),
        ("string", "bytes", Neither),
        ("fixed32", "sfixed32", Both),
        ("fixed64", "sfixed64", Both),
        ("A", "bytes", OldReadsNew),
        ("E", "int32", OldReadsNew),
        ("E", "uint32", OldReadsNew),
        ("E", "int64", OldReadsNew),
        ("E", "uint64", OldReadsNew),
        ("N", "int64", OldReadsNew),
        ("N", "uint64", Both),
    ] {
        check(old, new, danger);
    }
    check("A", "B", Neither);
    check("E", "F", Neither);
    for (old, new) in [
        ("uint32", "sint32"),
        ("uint32", "fixed32"),
        ("uint32", "string"),
        ("fixed32", "float"),
        ("fixed64", "double"),
        ("fixed32", "fixed64"),
        ("string", "A"),
        ("A", "C"),
        ("E", "bool"),
        ("E", "G"),
    ] {
        check(old, new, Both);
    }
    let [found] = &check("uint32", "string", Both)[..] else { panic!("one difference") };
    assert_eq!(found.why, "It has another wire type, so to the reader the field is not there.");
    let refused = between(
        "type-required",
        "message M { required uint32 a = 1; }",
        "message M { required string a = 1; }",
    );
    assert_eq!(
        refused[0].why,
        "It has another wire type, so to the reader the field is not there, and where it is required the \
         whole message is refused."
    );
}

#[test]
fn a_label_says_what_a_reader_insists_on() {
    for (old, new, danger) in [
        ("optional", "required", NewReadsOld),
        ("optional", "repeated", OldReadsNew),
        ("repeated", "required", NewReadsOld),
    ] {
        let text = |label: &str| format!("{label} uint32 a = 1;");
        let what = format!("{old} field became {new}");
        fields(&format!("{old}-{new}"), &text(old), &text(new), &[("P.M.a", &what, danger)]);
    }
    fields(
        "packed",
        "repeated uint32 a = 1;",
        "repeated uint32 a = 1 [packed = true];",
        &[("P.M.a", "packed", Neither)],
    );
}

#[test]
fn a_default_is_what_a_sender_means_who_says_nothing() {
    let number = |default: &str| format!("optional uint32 a = 1{default};");
    fields(
        "default",
        &number(" [default = 3]"),
        &number(" [default = 4]"),
        &[("P.M.a", "default changed from \"3\" to \"4\"", Both)],
    );
    fields(
        "no-default",
        &number(""),
        &number(" [default = 4]"),
        &[("P.M.a", "default changed from \"0\" to \"4\"", Both)],
    );
    fields("same", &number(""), &number(" [default = 0]"), &[]);
    let required = |default: &str| format!("required uint32 a = 1{default};");
    fields("required-default", &required(""), &required(" [default = 4]"), &[]);
    // The first value of an enum is the default of its fields.
    let of = |values: &str| format!("enum D {{ {values} }} message M {{ optional D d = 1; }}");
    let found = between("first", &of("X = 0; Y = 1;"), &of("Y = 1; X = 0;"));
    assert_eq!(shown(&found), [("P.M.d", "default changed from \"X\" to \"Y\"", Both)]);
}

#[test]
fn enums_are_closed_to_those_who_have_a_field_of_them() {
    let of = |values: &str, fields: &str| {
        format!("enum E {{ ZERO = 0; {values} }} message M {{ {fields} }}")
    };
    let (one, optional) = ("ONE = 1;", "optional E e = 1;");
    let found = between("value", &of("", optional), &of(one, optional));
    assert_eq!(shown(&found), [("P.E.ONE", "value 1 added", OldReadsNew)]);
    assert_eq!(
        found[0].why,
        "Its enum is closed: a reader of the old side takes P.M.e for absent where it has it."
    );
    let both = "required E r = 2; optional E e = 1;";
    let found = between("value-required", &of(one, both), &of("", both));
    assert_eq!(shown(&found), [("P.E.ONE", "value 1 removed", NewReadsOld)]);
    assert_eq!(
        found[0].why,
        "Its enum is closed: a reader of the new side refuses every message whose required P.M.r has it, and \
         takes P.M.e for absent where it has it."
    );
    // As the ids of commands, which no field has.
    let found = between("no-field", &of("", ""), &of(one, ""));
    assert_eq!(shown(&found), [("P.E.ONE", "value 1 added", Neither)]);
    let found = between("renumbered", &of("ONE = 1;", optional), &of("ONE = 2;", optional));
    assert_eq!(shown(&found), [("P.E.ONE", "value renumbered from 1 to 2", Both)]);
    let found = between("renamed", &of("ONE = 1;", optional), &of("EINS = 1;", optional));
    assert_eq!(shown(&found), [("P.E.ONE", "value 1 renamed to EINS", Neither)]);
    let alias = "option allow_alias = true; ONE = 1; EINS = 1;";
    let found = between("alias", &of("ONE = 1;", optional), &of(alias, optional));
    assert_eq!(shown(&found), [("P.E.EINS", "name of value 1 added", Neither)]);
}

#[test]
fn messages_and_enums_are_their_full_names() {
    let parts = "message Part { optional uint32 a = 1; } enum E { ZERO = 0; }";
    let whole =
        format!("{parts} message M {{ optional Part p = 1; optional E e = 2; }} message N {{}}");
    let found = between("removed", &whole, "message M { reserved 1, 2; }");
    assert_eq!(
        shown(&found),
        [
            ("P.E", "enum removed", Neither),
            ("P.M.e", "optional field 2 removed", Neither),
            ("P.M.p", "optional field 1 removed", Neither),
            ("P.N", "message removed", NewReadsOld),
            ("P.Part", "message removed", Neither),
        ]
    );
    let found = between("added", "message M {}", &format!("message M {{}} {parts}"));
    assert_eq!(
        shown(&found),
        [("P.E", "enum added", Neither), ("P.Part", "message added", Neither)]
    );
    let nested = |ty: &str| {
        format!("message M {{ message In {{ enum E {{ A = 0; }} optional {ty} a = 1; }} }}")
    };
    let found = between("nested", &nested("uint32"), &nested("string"));
    assert_eq!(shown(&found), [("P.M.In.a", "type changed from uint32 to string", Both)]);
    let extended = |ty: &str| {
        format!("message M {{ extensions 5 to 9; }} extend M {{ optional {ty} x = 5; }}")
    };
    let found = between("extension", &extended("uint32"), &extended("string"));
    assert_eq!(shown(&found), [("P.M.[P.x]", "type changed from uint32 to string", Both)]);
    // Another package is another name; where a file is is no name at all.
    let text = |package: &str| format!("syntax = \"proto2\"; package {package}; message M {{}}");
    let old = Folder::new("package-old", &[("a.proto", &text("P"))]);
    let new = Folder::new("package-new", &[("a.proto", &text("Q"))]);
    let found = compare(&old.0, &new.0).expect("both compile");
    assert_eq!(
        shown(&found),
        [("P.M", "message removed", NewReadsOld), ("Q.M", "message added", Neither)]
    );
    let elsewhere = Folder::new("elsewhere", &[("deep/down/b.proto", &text("P"))]);
    assert_eq!(compare(&old.0, &elsewhere.0), Ok(Vec::new()));
}

#[test]
fn of_a_oneof_one_is_kept() {
    let apart = "optional uint32 a = 1; optional uint32 b = 2;";
    let one = |name: &str| format!("oneof {name} {{ uint32 a = 1; uint32 b = 2; }}");
    fields(
        "oneof",
        apart,
        &one("o"),
        &[
            ("P.M.a", "moved from no oneof to oneof o", NewReadsOld),
            ("P.M.b", "moved from no oneof to oneof o", NewReadsOld),
        ],
    );
    fields("oneof-renamed", &one("o"), &one("p"), &[]);
}

#[test]
fn the_tree_of_this_repository_is_as_it_is() {
    let tree = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../proto"));
    assert_eq!(compare(&tree, &tree), Ok(Vec::new()));
    // And a change of it is found, among all that is the same.
    let files = fs::read_dir(&tree).expect("proto/ is there").map(|entry| {
        let path = entry.expect("a file").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_string();
        (name, fs::read_to_string(path).expect("a text"))
    });
    let mut files: Vec<_> = files.collect();
    let message =
        files.iter_mut().find(|(name, _)| name == "IM.Message.proto").expect("it is there");
    let changed = message.1.replacen(
        "optional bytes send_token = 101;",
        "required bytes send_token = 101;",
        1,
    );
    assert_ne!(changed, message.1);
    message.1 = changed;
    let files: Vec<_> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    let new = Folder::new("repository", &files);
    let found = compare(&tree, &new.0).expect("it compiles");
    assert_eq!(
        shown(&found),
        [("IM.Message.IMMsgData.send_token", "optional field became required", NewReadsOld)]
    );
}

#[test]
fn what_is_no_tree_is_refused_in_a_sentence() {
    let good = Folder::new("good", &[("a.proto", HEAD)]);
    let refused = |name: &str, files: &[(&str, &str)]| {
        let bad = Folder::new(name, files);
        let at = bad.0.display().to_string();
        let error = compare(&good.0, &bad.0).expect_err(name);
        assert_eq!(compare(&bad.0, &good.0), Err(error.clone()));
        error.replace(&at, "THERE")
    };
    assert_eq!(refused("empty", &[("readme.txt", "")]), "THERE: there is no .proto file in it");
    let none = good.0.join("none");
    let error = compare(&good.0, &none).expect_err("no folder");
    assert_eq!(error, format!("{}: there is no such folder of .proto files", none.display()));
    let proto3 = "syntax = \"proto3\"; message M {}";
    let error = refused("proto3", &[("a.proto", proto3)]);
    assert_eq!(error, "THERE: a.proto: it is proto3, and the roles read proto2");
    for (name, text, said) in [
        ("syntax", "syntax = \"proto2\"; message M {", "b.proto"),
        ("type", "syntax = \"proto2\"; message M { optional Nobody n = 1; }", "Nobody"),
        ("import", "syntax = \"proto2\"; import \"nowhere.proto\";", "nowhere.proto"),
    ] {
        let error = refused(name, &[("b.proto", text)]);
        assert!(error.starts_with("THERE: it does not compile: "), "{error}");
        assert!(error.contains(said) && !error.contains('\n'), "{error}");
    }
}
