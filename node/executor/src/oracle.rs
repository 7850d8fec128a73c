//! The oracle of tests: instrumented modules on wasmi, an interpreter that shares no code with
//! wasmtime.

use crate::instrument::{COMMAND_EXPORT, FUEL_EXPORT, MEMORY_EXPORT, STACK_EXPORT, START_EXPORT};
use crate::job::{End, prepare};
use crate::limits::CALL_STACK_MAX;
use crate::wasi::{CALLS, Call, Guest, MODULE, Wasi};
use crate::{Job, Report, TrapCode};
use wasmi::errors::{ErrorKind, InstantiationError};
use wasmi::{
    Caller, Config, Engine, Error, FuncType, Global, Instance, Linker, Memory, Module, Store, Val,
    ValType,
};

struct Host {
    wasi: Wasi,
    memory: Option<Memory>,
    fuel: Option<Global>,
}

/// Executes a job on wasmi. `Err` means that the oracle itself cannot run it.
pub(crate) fn execute(job: &Job<'_>) -> Result<Report, String> {
    let prepared = match prepare(job) {
        Ok(prepared) => prepared,
        Err(report) => return Ok(report),
    };
    let mut config = Config::default();
    config.set_max_recursion_depth(1 << 20).set_max_stack_height(256 << 20);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, &prepared.wasm).map_err(|error| error.to_string())?;
    let host = Host { wasi: Wasi::new(job), memory: None, fuel: None };
    let mut store = Store::new(&engine, host);
    let linker = linker(&engine);

    let mut end = End { fuel_left: prepared.fuel_left, stack_left: 0, trap: None };
    match linker.instantiate_and_start(&mut store, &module) {
        Ok(instance) => {
            let fuel = instance.get_global(&store, FUEL_EXPORT).expect("the pass exports it");
            let stack = instance.get_global(&store, STACK_EXPORT).expect("the pass exports it");
            let stack_max = i32::try_from(CALL_STACK_MAX).expect("the limit is far below 2^31");
            fuel.set(&mut store, Val::I64(prepared.fuel_left)).expect("fuel is mutable");
            stack.set(&mut store, Val::I32(stack_max)).expect("stack is mutable");
            store.data_mut().fuel = Some(fuel);
            store.data_mut().memory = instance.get_memory(&store, MEMORY_EXPORT);
            let result = call_command(&mut store, instance);
            end.fuel_left = fuel.get(&store).i64().expect("fuel is an i64");
            end.stack_left = stack.get(&store).i32().expect("stack is an i32");
            let decided =
                end.fuel_left < 0 || end.stack_left < 0 || store.data().wasi.halted.is_some();
            if let (Err(error), false) = (result, decided) {
                end.trap = Some(trap_code(&error)?);
            }
        }
        Err(error) => end.trap = Some(trap_code(&error)?),
    }
    Ok(prepared.conclude(store.into_data().wasi, end))
}

fn linker(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    for call in &CALLS {
        let kind = |letter| if letter == b'j' { ValType::I64 } else { ValType::I32 };
        let results = call.has_result().then_some(ValType::I32);
        let function = FuncType::new(call.parameters.bytes().map(kind), results);
        linker
            .func_new(MODULE, call.name, function, move |caller, arguments, results| {
                host_call(call, caller, arguments, results)
            })
            .expect("names of calls differ");
    }
    linker
}

fn call_command(store: &mut Store<Host>, instance: Instance) -> Result<(), Error> {
    if let Ok(start) = instance.get_typed_func::<(), ()>(&*store, START_EXPORT) {
        start.call(&mut *store, ())?;
    }
    instance.get_typed_func::<(), ()>(&*store, COMMAND_EXPORT)?.call(&mut *store, ())
}

fn host_call(
    call: &Call,
    mut caller: Caller<'_, Host>,
    arguments: &[Val],
    results: &mut [Val],
) -> Result<(), Error> {
    let fuel_global = caller.data().fuel.expect("nothing runs before the globals are set");
    let mut raw = [0; 9];
    for (raw, argument) in raw.iter_mut().zip(arguments) {
        *raw = match argument {
            Val::I32(value) => u64::from(value.cast_unsigned()),
            Val::I64(value) => value.cast_unsigned(),
            _ => unreachable!("WASI has integers only"),
        };
    }
    let fuel = fuel_global.get(&caller).i64().expect("fuel is an i64");
    let (memory, host) = match caller.data().memory {
        Some(memory) => memory.data_and_store_mut(&mut caller),
        None => (Default::default(), caller.data_mut()),
    };
    let mut guest = Guest { memory, fuel };
    let answer = host.wasi.call(call, &mut guest, &raw);
    let fuel = guest.fuel;
    fuel_global.set(&mut caller, Val::I64(fuel)).expect("fuel is mutable");
    let errno = answer.map_err(|halt| Error::new(format!("{halt:?}")))?;
    if let Some(result) = results.first_mut() {
        *result = Val::I32(errno);
    }
    Ok(())
}

fn trap_code(error: &Error) -> Result<TrapCode, String> {
    if let ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) =
        error.kind()
    {
        return Ok(TrapCode::TableOutOfBounds);
    }
    match error.as_trap_code() {
        Some(wasmi::TrapCode::UnreachableCodeReached) => Ok(TrapCode::Unreachable),
        Some(wasmi::TrapCode::MemoryOutOfBounds) => Ok(TrapCode::MemoryOutOfBounds),
        Some(wasmi::TrapCode::TableOutOfBounds) => Ok(TrapCode::TableOutOfBounds),
        Some(wasmi::TrapCode::IndirectCallToNull) => Ok(TrapCode::NullCall),
        Some(wasmi::TrapCode::BadSignature) => Ok(TrapCode::SignatureMismatch),
        Some(wasmi::TrapCode::IntegerOverflow) => Ok(TrapCode::IntegerOverflow),
        Some(wasmi::TrapCode::IntegerDivisionByZero) => Ok(TrapCode::DivisionByZero),
        Some(wasmi::TrapCode::BadConversionToInteger) => Ok(TrapCode::InvalidConversion),
        _ => Err(error.to_string()),
    }
}
