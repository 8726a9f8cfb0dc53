//! The tables of the fake are those of docs/schema.sql and src/store/migrations/, and the former are
//! those of docs/SYSTEM.md.

use crate::fakes::sql::{
    schema::{Column, TableDef, Type},
    tables,
};
use sqlparser::{ast as sp, dialect::MySqlDialect, parser::Parser};
use std::collections::BTreeMap;
use teamtalk::store::{migrations::MIGRATIONS, sql::Value};

const ORIGINAL: &str = "docs/schema.sql";
const SYSTEM: &str = "docs/SYSTEM.md";

/// A file of the repository.
fn read(file: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    std::fs::read_to_string(format!("{root}/{file}")).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// A table of a file: as the fake would have it, and its plain keys.
#[derive(Debug, Clone)]
struct Written {
    def: TableDef,
    keys: Vec<Vec<String>>,
}

fn names(columns: &[sp::IndexColumn]) -> Vec<String> {
    let name = |column: &sp::IndexColumn| {
        let text = column.column.expr.to_string();
        // `name(191)`: a key over the beginning of a column.
        text.split('(').next().unwrap_or_default().to_string()
    };
    columns.iter().map(name).collect()
}

fn type_of(ty: &sp::DataType) -> Type {
    use sp::{BinaryLength, CharacterLength, DataType};
    match ty {
        DataType::Int(_) => Type::INT,
        DataType::IntUnsigned(_) => Type::UNSIGNED,
        DataType::TinyIntUnsigned(_) => Type::TINY,
        DataType::Varchar(Some(CharacterLength::IntegerLength { length, .. })) => {
            Type::Text { chars: *length as usize }
        }
        DataType::Varbinary(Some(BinaryLength::IntegerLength { length })) => {
            Type::Binary { bytes: *length as usize }
        }
        other => panic!("the fake has no type {other}"),
    }
}

/// The column, and whether it is AUTO_INCREMENT.
fn column(table: &str, written: &sp::ColumnDef) -> (Column, bool) {
    let name = written.name.value.clone();
    let options: Vec<_> = written.options.iter().map(|option| &option.option).collect();
    let has = |text: &str| options.iter().any(|option| option.to_string() == text);
    assert!(has("NOT NULL"), "{table}.{name} may be NULL, which no column of the fake may");
    let default = options.iter().find_map(|option| match option {
        sp::ColumnOption::Default(value) => match value.to_string().as_str() {
            "''" => Some(Value::from("")),
            number => Some(Value::Int(number.parse().expect("a number"))),
        },
        _ => None,
    });
    (Column { name, ty: type_of(&written.data_type), default }, has("AUTO_INCREMENT"))
}

fn table(written: &sp::CreateTable) -> Written {
    let name = written.name.to_string();
    let columns: Vec<_> = written.columns.iter().map(|c| column(&name, c)).collect();
    let auto = columns.iter().position(|(_, auto)| *auto);
    let columns: Vec<Column> = columns.into_iter().map(|(column, _)| column).collect();
    let (mut uniques, mut keys) = (Vec::new(), Vec::new());
    for constraint in &written.constraints {
        match constraint {
            sp::TableConstraint::PrimaryKey(key) => {
                let place = |name: &String| columns.iter().position(|c| c.name == *name);
                let places = names(&key.columns).iter().map(place).collect::<Option<Vec<_>>>();
                uniques.push(places.expect("columns of the table"));
            }
            sp::TableConstraint::Index(key) => keys.push(names(&key.columns)),
            other => panic!("{name}: the fake has no `{other}`"),
        }
    }
    let place = |column: &String| columns.iter().position(|c| c.name == *column).expect("a column");
    let indexes = keys.iter().map(|key: &Vec<String>| key.iter().map(place).collect()).collect();
    let name = name.as_str().into();
    Written { def: TableDef { name, columns, auto, uniques, indexes }, keys }
}

/// The tables of statements by their names.
fn written(text: &str) -> BTreeMap<String, Written> {
    let mut tables: BTreeMap<String, Written> = BTreeMap::new();
    for statement in Parser::parse_sql(&MySqlDialect {}, text).expect("MySQL's dialect") {
        let sp::Statement::CreateTable(create) = statement else { panic!("{statement}") };
        let name = create.name.to_string();
        let new = match &create.like {
            Some(sp::CreateTableLikeKind::Plain(like)) => {
                let mut copy = tables[&like.name.to_string()].clone();
                copy.def.name = name.as_str().into();
                copy
            }
            _ => table(&create),
        };
        assert!(tables.insert(name.clone(), new).is_none(), "{name} twice");
    }
    tables
}

#[test]
fn the_fake_has_the_tables_of_the_files() {
    let of = |version, text: &str| written(text).into_iter().map(move |of| (version, of));
    let mut files: Vec<_> = of(0, &read(ORIGINAL)).collect();
    for migration in MIGRATIONS {
        let mut statements = migration.statements();
        let named = statements.pop().expect("what it is called");
        // The fake writes this row by itself.
        assert!(named.starts_with("INSERT IGNORE INTO TTSchema "), "{named}");
        assert_eq!(read(migration.file), migration.text);
        files.extend(of(migration.version, &statements.join(";")));
    }
    for (version, def) in tables::all() {
        let at = files.iter().position(|(_, (name, _))| **name == *def.name);
        let at = at.unwrap_or_else(|| panic!("{} is in no file", def.name));
        let (of, (_, file)) = files.swap_remove(at);
        assert_eq!((version, def), (of, file.def));
    }
    assert!(files.is_empty(), "the fake lacks {files:?}");
}

/// The cells of the table in section 6, "Tables".
fn described(document: &str) -> Vec<[&str; 3]> {
    let (_, tables) = document.split_once("\n### Tables\n").expect("the section is there");
    let rows = tables.lines().filter(|line| line.starts_with("| IM"));
    let cells = |row| {
        let mut cells = str::trim_matches(row, '|').split('|').map(str::trim);
        [(); 3].map(|()| cells.next().expect("three cells"))
    };
    rows.map(cells).collect()
}

#[test]
fn the_tables_of_the_original_are_those_that_the_document_describes() {
    let mut files = written(&read(ORIGINAL));
    let document = read(SYSTEM);
    for [name, columns, keys] in described(&document) {
        // `IMMessage_0 … 7` is eight tables, `IMTransmitFile (…)` one with a remark.
        let (first, rest) = name.split_once(' ').unwrap_or((name, ""));
        let all: Vec<String> = match rest.strip_prefix("… ") {
            Some(last) => {
                let stem = first.trim_end_matches('0');
                let last: u32 = last.parse().expect("a number");
                (0..=last).map(|n| format!("{stem}{n}")).collect()
            }
            None => vec![first.to_string()],
        };
        let list = |text: &str| text.split(", ").map(String::from).collect::<Vec<_>>();
        for name in all {
            let file = files.remove(&name).unwrap_or_else(|| panic!("{name} is not in the file"));
            let shown = |column: &Column| column.name.clone();
            let actual: Vec<_> = file.def.columns[1..].iter().map(shown).collect();
            let wanted: Vec<_> = list(columns)
                .iter()
                .map(|column| column.split([' ', '(']).next().expect("a name").to_string())
                .collect();
            assert_eq!(actual, wanted, "{name}");
            for column in list(columns) {
                let Some((named, length)) = column.trim_end_matches(')').split_once('(') else {
                    continue;
                };
                let named = named.trim_end_matches(" varchar");
                let at = file.def.column(named).expect("just compared");
                let chars = length.parse().expect("a length");
                assert_eq!(file.def.columns[at].ty, Type::Text { chars }, "{name}.{named}");
            }
            let wanted = keys.trim_matches(['(', ')']).split("), (").filter(|key| !key.is_empty());
            for key in wanted {
                assert!(file.keys.contains(&list(key)), "{name} has no key ({key})");
            }
        }
    }
    assert!(files.is_empty(), "not described: {:?}", files.keys());
}
