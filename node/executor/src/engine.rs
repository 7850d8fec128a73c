//! Running instrumented modules on wasmtime.

use crate::instrument::{COMMAND_EXPORT, FUEL_EXPORT, MEMORY_EXPORT, STACK_EXPORT, START_EXPORT};
use crate::job::{End, Prepared, prepare};
use crate::limits::{CALL_STACK_MAX, NATIVE_STACK_BYTES, THREAD_STACK_BYTES};
use crate::wasi::{CALLS, Call, Guest, MODULE, Wasi};
use crate::{Job, Report, TrapCode};
use std::thread;
use wasmtime::{
    Caller, Config, Engine, Extern, FuncType, Global, Instance, Linker, Memory, Module, OptLevel,
    ResourceLimiter, Store, Trap, Val, ValType,
};

/// This machine could not execute a job. It says nothing about the program: another machine may well
/// execute it, so it is never a result.
#[derive(Debug, thiserror::Error)]
pub enum CannotExecute {
    /// The engine does not start on this machine.
    #[error("the engine cannot start here: {0}")]
    Engine(String),
    /// The thread that runs the program could not be started or did not survive.
    #[error("the executing thread failed: {0}")]
    Thread(String),
    /// A checked program does not compile.
    #[error("the program does not compile here: {0}")]
    Compile(String),
    /// Memory or tables could not be set up or grown for want of native memory.
    #[error("native memory ran out: {0}; run fewer tasks at once")]
    OutOfMemory(String),
    /// The native stack ended before the logical one, which is a fault of the engine.
    #[error("the native stack ended before the logical one")]
    NativeStack,
    /// The engine stopped the program for a reason that no program can cause.
    #[error("the engine stopped the program: {0}")]
    Stopped(String),
}

/// Executes jobs. It is cheap to share: all jobs of a process use one.
pub struct Executor {
    engine: Engine,
    linker: Linker<Host>,
}

/// What belongs to one running program.
struct Host {
    wasi: Wasi,
    /// Set once the instance exists.
    handles: Option<Handles>,
    /// Why native memory could not be had.
    memory_failure: Option<String>,
}

#[derive(Clone, Copy)]
struct Handles {
    memory: Option<Memory>,
    fuel: Global,
    stack: Global,
}

impl Executor {
    /// Makes an engine for this machine.
    ///
    /// # Errors
    /// If the machine lacks what the engine needs.
    pub fn new() -> Result<Self, CannotExecute> {
        Self::with_optimisation(OptLevel::Speed)
    }

    pub(crate) fn with_optimisation(level: OptLevel) -> Result<Self, CannotExecute> {
        let engine =
            Engine::new(&config(level)).map_err(|error| CannotExecute::Engine(text(&error)))?;
        let mut linker = Linker::new(&engine);
        for call in &CALLS {
            let kind = |letter| if letter == b'j' { ValType::I64 } else { ValType::I32 };
            let results = call.has_result().then_some(ValType::I32);
            let function = FuncType::new(&engine, call.parameters.bytes().map(kind), results);
            linker
                .func_new(MODULE, call.name, function, move |caller, arguments, results| {
                    host_call(call, caller, arguments, results)
                })
                .map_err(|error| CannotExecute::Engine(text(&error)))?;
        }
        Ok(Self { engine, linker })
    }

    /// Executes a job to its end, which its fuel bounds. Blocks; call it from a thread that may.
    ///
    /// # Errors
    /// If this machine could not execute it. That is never an outcome of the program.
    pub fn execute(&self, job: &Job<'_>) -> Result<Report, CannotExecute> {
        thread::scope(|scope| {
            thread::Builder::new()
                .name("executor".into())
                .stack_size(THREAD_STACK_BYTES)
                .spawn_scoped(scope, || match prepare(job) {
                    Ok(prepared) => self.run(job, &prepared),
                    Err(report) => Ok(report),
                })
                .map_err(|error| CannotExecute::Thread(error.to_string()))?
                .join()
                .unwrap_or_else(|_| Err(CannotExecute::Thread("it panicked".into())))
        })
    }

    fn run(&self, job: &Job<'_>, prepared: &Prepared) -> Result<Report, CannotExecute> {
        let module = Module::from_binary(&self.engine, &prepared.wasm)
            .map_err(|error| CannotExecute::Compile(text(&error)))?;
        let host = Host { wasi: Wasi::new(job), handles: None, memory_failure: None };
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| host);

        let mut end = End { fuel_left: prepared.fuel_left, stack_left: 0, trap: None };
        match self.linker.instantiate(&mut store, &module) {
            Ok(instance) => {
                let handles = enter(&mut store, instance, prepared.fuel_left)?;
                let result = call_command(&mut store, instance);
                end.fuel_left = handles.fuel.get(&mut store).i64().expect("fuel is an i64");
                end.stack_left = handles.stack.get(&mut store).i32().expect("stack is an i32");
                // After a halt or a spent global, the engine's own reason means nothing.
                let decided =
                    end.fuel_left < 0 || end.stack_left < 0 || store.data().wasi.halted.is_some();
                if let (Err(error), false) = (result, decided) {
                    end.trap = Some(trap_code(&error, store.data())?);
                }
            }
            Err(error) if error.is::<Trap>() => end.trap = Some(trap_code(&error, store.data())?),
            Err(error) => return Err(CannotExecute::OutOfMemory(text(&error))),
        }
        Ok(prepared.conclude(store.into_data().wasi, end))
    }
}

fn config(level: OptLevel) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(level)
        .max_wasm_stack(NATIVE_STACK_BYTES)
        // Nothing runs asynchronously, but this must not be smaller.
        .async_stack_size(NATIVE_STACK_BYTES)
        .wasm_backtrace_max_frames(None)
        // The whole 32-bit space is reserved up front, so growing can neither move nor collide.
        .memory_reservation(1 << 32)
        .memory_may_move(false)
        .wasm_multi_value(true)
        .wasm_bulk_memory(true)
        .wasm_extended_const(true)
        .wasm_simd(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    config
}

/// Sets the globals and hands them to the host calls.
fn enter(
    store: &mut Store<Host>,
    instance: Instance,
    fuel_left: i64,
) -> Result<Handles, CannotExecute> {
    let mut global = |name| {
        let found = instance.get_global(&mut *store, name);
        found.ok_or_else(|| CannotExecute::Stopped(format!("no global `{name}`")))
    };
    let (fuel, stack) = (global(FUEL_EXPORT)?, global(STACK_EXPORT)?);
    let stack_max = i32::try_from(CALL_STACK_MAX).expect("the limit is far below 2^31");
    fuel.set(&mut *store, Val::I64(fuel_left))
        .and_then(|()| stack.set(&mut *store, Val::I32(stack_max)))
        .map_err(|error| CannotExecute::Stopped(text(&error)))?;
    let memory = instance.get_export(&mut *store, MEMORY_EXPORT).and_then(Extern::into_memory);
    let handles = Handles { memory, fuel, stack };
    store.data_mut().handles = Some(handles);
    Ok(handles)
}

fn call_command(store: &mut Store<Host>, instance: Instance) -> wasmtime::Result<()> {
    if let Ok(start) = instance.get_typed_func::<(), ()>(&mut *store, START_EXPORT) {
        start.call(&mut *store, ())?;
    }
    instance.get_typed_func::<(), ()>(&mut *store, COMMAND_EXPORT)?.call(&mut *store, ())
}

fn host_call(
    call: &Call,
    mut caller: Caller<'_, Host>,
    arguments: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let handles = caller.data().handles.expect("nothing runs before the handles are set");
    let mut raw = [0; 9];
    for (raw, argument) in raw.iter_mut().zip(arguments) {
        *raw = match argument {
            Val::I32(value) => u64::from(value.cast_unsigned()),
            Val::I64(value) => value.cast_unsigned(),
            _ => unreachable!("WASI has integers only"),
        };
    }
    let fuel = handles.fuel.get(&mut caller).i64().expect("fuel is an i64");
    let (memory, host) = match handles.memory {
        Some(memory) => memory.data_and_store_mut(&mut caller),
        None => (Default::default(), caller.data_mut()),
    };
    let mut guest = Guest { memory, fuel };
    let answer = host.wasi.call(call, &mut guest, &raw);
    let fuel = guest.fuel;
    handles.fuel.set(&mut caller, Val::I64(fuel))?;
    let errno = answer.map_err(|halt| wasmtime::Error::msg(format!("{halt:?}")))?;
    if let Some(result) = results.first_mut() {
        *result = Val::I32(errno);
    }
    Ok(())
}

/// The code of a trap that the program caused.
fn trap_code(error: &wasmtime::Error, host: &Host) -> Result<TrapCode, CannotExecute> {
    if let Some(failure) = &host.memory_failure {
        return Err(CannotExecute::OutOfMemory(failure.clone()));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Ok(TrapCode::Unreachable),
        Some(Trap::MemoryOutOfBounds) => Ok(TrapCode::MemoryOutOfBounds),
        Some(Trap::TableOutOfBounds) => Ok(TrapCode::TableOutOfBounds),
        Some(Trap::IndirectCallToNull) => Ok(TrapCode::NullCall),
        Some(Trap::BadSignature) => Ok(TrapCode::SignatureMismatch),
        Some(Trap::IntegerOverflow) => Ok(TrapCode::IntegerOverflow),
        Some(Trap::IntegerDivisionByZero) => Ok(TrapCode::DivisionByZero),
        Some(Trap::BadConversionToInteger) => Ok(TrapCode::InvalidConversion),
        Some(Trap::StackOverflow) => Err(CannotExecute::NativeStack),
        _ => Err(CannotExecute::Stopped(text(error))),
    }
}

/// The modules' own maxima bound memory and tables; what fails below them is the machine's fault.
impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.native_failure(error)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.native_failure(error)
    }
}

impl Host {
    fn native_failure(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_failure = Some(text(&error));
        Err(error)
    }
}

fn text(error: &wasmtime::Error) -> String {
    format!("{error:#}")
}
