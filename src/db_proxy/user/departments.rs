//! 0210: the departments that changed since a time.

use crate::{
    catalogue::id as command,
    db_proxy::{
        data::text::text,
        plumbing::{
            context::{Context, World},
            reply::{carried, reply},
            silent::Silent,
        },
        user::select,
    },
    mutants::Mutant,
    wire::{
        Pdu,
        im::{
            base_define::{DepartInfo, DepartmentStatusType},
            buddy::{ImDepartmentReq, ImDepartmentRsp},
        },
    },
};

/// Lists them, with the time of the latest change, from which the client asks next.
pub async fn handle<W: World>(cx: &mut Context<W>, request: &Pdu) -> Result<Pdu, Silent> {
    const IDS: &str = "select id, updated from IMDepart where updated>?";
    let asked: ImDepartmentReq = request.view()?;
    let since = asked.latest_update_time;
    let found = select::changed(cx, "IMDepart", IDS, &[since.into()]).await?;
    let protocol = *cx.protocol();
    let number = |row, name| found.get(row, name).uint();
    let info = |row| DepartInfo {
        dept_id: number(row, "id"),
        priority: number(row, "priority"),
        dept_name: text(found.get(row, "departName").bytes()),
        parent_dept_id: match protocol.mutated(Mutant::DepartmentIsItsParent) {
            true => number(row, "id"),
            false => number(row, "parentId"),
        },
        dept_status: number(row, "status") as i32,
    };
    let rows = 0..found.rows.len();
    let response = ImDepartmentRsp {
        user_id: asked.user_id,
        latest_update_time: rows.clone().map(|row| number(row, "updated")).fold(since, u32::max),
        // A value outside the enum would make the whole reply malformed.
        dept_list: rows
            .map(info)
            .filter(|depart| DepartmentStatusType::try_from(depart.dept_status).is_ok())
            .collect(),
        attach_data: carried(asked.attach_data),
    };
    Ok(reply(request, command::BUDDY_LIST_DEPARTMENT_RESPONSE, &response))
}

#[cfg(test)]
mod tests {
    use crate::{
        catalogue::id as command,
        db_proxy::testing::{Fake, ask, rows},
        wire::im::buddy::{ImDepartmentReq, ImDepartmentRsp},
    };

    #[test]
    fn departments_are_those_that_changed_since() {
        let world = Fake::default();
        world.on("select id, updated from IMDepart", rows(["id"], &[[5.into()], [6.into()]]));
        let columns = ["id", "departName", "priority", "parentId", "status", "updated"];
        let row = |id: u32, status: u32| {
            [id.into(), "dev".into(), 4.into(), 1.into(), status.into(), 60.into()]
        };
        world.on("select * from IMDepart", rows(columns, &[row(5, 1), row(6, 2)]));
        let request = ImDepartmentReq { user_id: 1, latest_update_time: 50, attach_data: None };
        let command = command::BUDDY_LIST_DEPARTMENT_REQUEST;
        let reply: ImDepartmentRsp = ask(&world, command, &request);
        assert_eq!((reply.latest_update_time, reply.dept_list.len()), (60, 1));
        let depart = &reply.dept_list[0];
        assert_eq!((depart.dept_id, depart.parent_dept_id, depart.dept_status), (5, 1, 1));
        let ids = "S select id, updated from IMDepart where updated>50";
        assert_eq!(world.log(), [ids, "S select * from IMDepart where id in (5,6)"]);
        // Nothing changed: there is nothing to read.
        let world = Fake::default();
        let reply: ImDepartmentRsp = ask(&world, command, &request);
        assert_eq!((reply.latest_update_time, reply.dept_list.len()), (50, 0));
        assert_eq!(world.log(), [ids]);
    }
}
