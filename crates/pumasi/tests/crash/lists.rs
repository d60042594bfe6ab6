//! Operations on a list.

use super::*;

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    vec![
        case("push inline", |h| vec![list(h, &mixed(3))], |h, o| push(h, o, int(9))),
        case("push block", |h| vec![list(h, &mixed(3))], |h, o| push(h, o, text(50))),
        case("push large", |h| vec![list(h, &mixed(3))], |h, o| push(h, o, text(5000))),
        case("push, leaf grows", |h| vec![list(h, &mixed(5))], |h, o| push(h, o, text(50))),
        case("push, directory", |h| vec![list(h, &mixed(13))], |h, o| push(h, o, text(50))),
        case("push, new leaf", |h| vec![list(h, &mixed(26))], |h, o| push(h, o, text(50))),
        case("push, directory grows", |h| vec![list(h, &mixed(13 * 6))], |h, o| push(h, o, text(9))),
        case("set inline", |h| vec![list(h, &mixed(3))], |h, o| {
            as_list(&o[0]).set(0, &mut prepare(h, &int(-1)).unwrap()).unwrap();
        }),
        case("set block over inline", |h| vec![list(h, &mixed(3))], |h, o| {
            as_list(&o[0]).set(0, &mut prepare(h, &text(60)).unwrap()).unwrap();
        }),
        case("set inline over block", |h| vec![list(h, &mixed(3))], |h, o| {
            as_list(&o[0]).set(1, &mut prepare(h, &int(1)).unwrap()).unwrap();
        }),
        case("set block over block", |h| vec![list(h, &mixed(40))], |h, o| {
            as_list(&o[0]).set(31, &mut prepare(h, &text(60)).unwrap()).unwrap();
        }),
        case("set over large", |h| vec![list(h, &[text(9000)])], |h, o| {
            as_list(&o[0]).set(0, &mut prepare(h, &text(8000)).unwrap()).unwrap();
        }),
        case("pop last inline", |h| vec![list(h, &mixed(3))], |_, o| {
            as_list(&o[0]).pop(-1, &mut Fetch::new()).unwrap();
        }),
        case("pop last block", |h| vec![list(h, &mixed(2))], |_, o| {
            as_list(&o[0]).pop(-1, &mut Fetch::new()).unwrap();
        }),
        case("pop last large", |h| vec![list(h, &[text(6000)])], |_, o| {
            as_list(&o[0]).pop(-1, &mut Fetch::new()).unwrap();
        }),
        case("pop last of a leaf", |h| vec![list(h, &mixed(14))], |_, o| {
            as_list(&o[0]).pop(-1, &mut Fetch::new()).unwrap();
        }),
        case("pop first", |h| vec![list(h, &mixed(40))], |_, o| {
            as_list(&o[0]).pop(0, &mut Fetch::new()).unwrap();
        }),
        case("insert in the middle", |h| vec![list(h, &mixed(40))], |h, o| {
            as_list(&o[0]).insert(17, &mut prepare(h, &text(30)).unwrap()).unwrap();
        }),
        case("extend in place", |h| vec![list(h, &mixed(1))], |h, o| {
            as_list(&o[0]).extend(&mut prepare_all(h, &mixed(3))).unwrap();
        }),
        case("extend by leaves", |h| vec![list(h, &mixed(4))], |h, o| {
            as_list(&o[0]).extend(&mut prepare_all(h, &mixed(30))).unwrap();
        }),
        case("extend an empty list", |h| vec![list(h, &[])], |h, o| {
            as_list(&o[0]).extend(&mut prepare_all(h, &mixed(30))).unwrap();
        }),
        case("replace a slice", |h| vec![list(h, &mixed(40))], |h, o| {
            let slice = Slice { start: Some(5), stop: Some(30), step: 1 };
            as_list(&o[0]).set_slice(slice, &mut prepare_all(h, &mixed(4))).unwrap();
        }),
        case("replace an extended slice", |h| vec![list(h, &mixed(20))], |h, o| {
            let slice = Slice { start: Some(1), stop: Some(16), step: 5 };
            as_list(&o[0]).set_slice(slice, &mut prepare_all(h, &mixed(3))).unwrap();
        }),
        case("delete a slice", |h| vec![list(h, &mixed(40))], |_, o| {
            as_list(&o[0]).del_slice(Slice { start: Some(0), stop: None, step: 2 }).unwrap();
        }),
        case("delete all by a slice", |h| vec![list(h, &mixed(30))], |_, o| {
            as_list(&o[0]).del_slice(Slice::ALL).unwrap();
        }),
        case("remove by value", |h| vec![list(h, &mixed(20))], |_, o| {
            let list = as_list(&o[0]);
            list.remove_if(list.version(), 13).unwrap();
        }),
        case("remove by position", |h| vec![list(h, &mixed(20))], |_, o| {
            as_list(&o[0]).remove(4).unwrap();
        }),
        case("remove the last", |h| vec![list(h, &mixed(14))], |_, o| {
            as_list(&o[0]).remove(-1).unwrap();
        }),
        case("set if unchanged", |h| vec![list(h, &mixed(20))], |h, o| {
            let list = as_list(&o[0]);
            list.set_if(list.version(), 4, &mut prepare(h, &text(33)).unwrap()).unwrap();
        }),
        case("extend if unchanged", |h| vec![list(h, &mixed(11))], |h, o| {
            let list = as_list(&o[0]);
            list.extend_if(list.version(), &mut prepare_all(h, &mixed(9))).unwrap();
        }),
        case("reorder", |h| vec![list(h, &mixed(20))], |_, o| {
            let list = as_list(&o[0]);
            let order: Vec<usize> = (0..20).map(|i| (i * 7) % 20).collect();
            list.reorder_if(list.version(), &order).unwrap();
        }),
        case("reverse", |h| vec![list(h, &mixed(20))], |_, o| as_list(&o[0]).reverse().unwrap()),
        case("clear", |h| vec![list(h, &mixed(30))], |_, o| as_list(&o[0]).clear().unwrap()),
    ]
}
