use proptest::prelude::*;

use super::*;

fn asked(params: &str) -> Result<Vec<Value>, Bad> {
    let body = format!("<methodCall><methodName>a.b</methodName><params>{params}</params></methodCall>");
    request(body.as_bytes()).map(|call| call.params)
}

fn one(value: &str) -> Result<Value, Bad> {
    asked(&format!("<param><value>{value}</value></param>")).map(|mut params| params.remove(0))
}

#[test]
fn every_type_is_read() {
    assert_eq!(one("<int> -7 </int>"), Ok(Value::Int(-7)));
    assert_eq!(one("<i4>7</i4>"), Ok(Value::Int(7)));
    assert_eq!(one("<boolean>1</boolean>"), Ok(Value::Bool(true)));
    assert_eq!(one("<string> a &amp; b </string>"), Ok(" a & b ".into()));
    assert_eq!(one(" a "), Ok(" a ".into()));
    assert_eq!(one(""), Ok("".into()));
    assert_eq!(one("<![CDATA[<a>]]>"), Ok("<a>".into()));
    assert_eq!(one("<double>1.5</double>"), Ok(Value::Double(1.5)));
    assert_eq!(one("<base64>\naGV5\n</base64>"), Ok("hey".into()));
    assert_eq!(
        one("<dateTime.iso8601>20261201T09:00:00</dateTime.iso8601>"),
        Ok(Value::DateTime("20261201T09:00:00".into()))
    );
    assert_eq!(one("<array><data><value>a</value></data></array>"), Ok(Value::Array(vec!["a".into()])));
    let members = "<struct><member><name>n</name><value><int>1</int></value></member></struct>";
    assert_eq!(one(members), Ok(Value::Struct(vec![("n".into(), Value::Int(1))])));
}

#[test]
fn numbers_stay_within_32_bits() {
    assert_eq!(Value::number(5_u8), Value::Int(5));
    assert_eq!(Value::number(i64::MIN), Value::Int(i32::MIN));
    assert_eq!(Value::number(u64::MAX), Value::Int(i32::MAX));
}

#[test]
fn params_may_be_missing() {
    let call = request(b"<?xml version='1.0'?><methodCall><methodName>a.b</methodName></methodCall>").unwrap();
    assert_eq!(call, Call { method: "a.b".into(), params: Vec::new() });
}

#[test]
fn wrong_values_are_refused() {
    for wrong in [
        "<int>1.5</int>",
        "<int>2147483648</int>",
        "<int></int>",
        "<boolean>2</boolean>",
        "<boolean>true</boolean>",
        "<double>x</double>",
        "<double>inf</double>",
        "<base64>*</base64>",
        "<nil/>",
        "<array/>",
        "<int><int>1</int></int>",
        "<array><data><int>1</int></data></array>",
        "<struct><member/></struct>",
        "<int>1</int><int>2</int>",
    ] {
        assert!(one(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn wrong_requests_are_refused() {
    let deep = |n: usize| format!("{}1{}", "<array><data><value>".repeat(n), "</value></data></array>".repeat(n));
    assert!(one(&deep(MAX_DEPTH)).is_ok());
    assert!(one(&deep(MAX_DEPTH + 1)).is_err());
    // A deep body must not take the stack either: it is a third of the greatest.
    assert!(one(&deep(7_000)).is_err());
    assert!(request("<a>".repeat(MAX_REQUEST / 3).as_bytes()).is_err());
    assert!(request(&vec![b' '; MAX_REQUEST + 1]).is_err());
    let bomb = "<!DOCTYPE a [<!ENTITY b \"cccc\">]><methodCall><methodName>&b;</methodName></methodCall>";
    for wrong in [
        bomb,
        "",
        "x",
        "<methodCall/>",
        "<methodCall><methodName/></methodCall>",
        "<methodCall><methodName>a",
        "<methodResponse><methodName>a</methodName></methodResponse>",
        "<methodCall><methodName>&#0;</methodName></methodCall>",
    ] {
        assert!(request(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert!(request(b"<methodCall><methodName>\xff</methodName></methodCall>").is_err());
}

#[test]
fn attributes_are_few() {
    assert_eq!(one("<int a='>' b=\"'>\">1</int>"), Ok(Value::Int(1)));
    assert!(one(&format!("<int a='{}'>1</int>", ">".repeat(300))).is_err());
    let many =
        |n: usize| format!("<array><data>{}</data></array>", "<value a='1'><!-- <a b='c'> -->x</value>".repeat(n));
    assert!(one(&many(16)).is_ok());
    assert!(one(&many(17)).is_err());
    assert_eq!(one("a=b='<![CDATA[<a b='c'>]]>"), Ok("a=b='<a b='c'>".into()));
    // Neither takes long.
    assert!(request(format!("<a {}", "a='b' ".repeat(MAX_REQUEST / 8)).as_bytes()).is_err());
    assert!(request("<a xmlns:b='c'>".repeat(MAX_REQUEST / 16).as_bytes()).is_err());
}

#[test]
fn what_xml_forbids_is_replaced() {
    let text = "\u{1b}[1mred\0\r\n";
    let expected = Value::Text("\u{fffd}[1mred\u{fffd}\r\n".into());
    assert_eq!(answer(response(&text.into()).as_bytes()), Ok(expected));
    let raw = "<methodResponse><params><param><value>\u{1b}</value></param></params></methodResponse>";
    assert_eq!(answer(raw.as_bytes()), Ok("\u{fffd}".into()));
}

#[test]
fn a_fault_is_a_fault() {
    let expected = Fault { code: 10, text: "BAD_NAME: <x>".into() };
    assert_eq!(answer(fault(10, "BAD_NAME: <x>").as_bytes()), Err(Unanswered::Fault(expected)));
    assert!(matches!(
        answer(b"<methodResponse><fault><value>x</value></fault></methodResponse>"),
        Err(Unanswered::Bad(_))
    ));
    assert!(matches!(answer(b"<methodResponse><params/></methodResponse>"), Err(Unanswered::Bad(_))));
}

/// Values that are the same when they have been written and read.
fn values() -> impl Strategy<Value = Value> {
    let text = "[ -~\\n\\t\\r\u{e9}\u{4e16}\u{1f600}]{0,12}";
    let leaf = prop_oneof![
        any::<i32>().prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        text.prop_map(Value::Text),
        (-1e9..1e9f64).prop_map(Value::Double),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let members = prop::collection::btree_map(text, inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::Array),
            members.prop_map(|members| Value::Struct(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(value in values(), method in "[a-z.]{1,9}") {
        prop_assert_eq!(answer(response(&value).as_bytes()), Ok(value.clone()));
        let params = vec![value.clone(), value];
        prop_assert_eq!(request(call(&method, &params).as_bytes()), Ok(Call { method, params }));
    }

    #[test]
    fn any_text_can_be_sent(text in any::<String>()) {
        prop_assert!(answer(response(&Value::Text(text)).as_bytes()).is_ok());
    }

    #[test]
    fn nothing_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (request(&body), answer(&body));
    }

    #[test]
    fn no_damage_makes_it_panic(value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = call("a.b", &[value]).into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let _ = request(&body);
        let _ = request(&body[..at]);
    }
}
