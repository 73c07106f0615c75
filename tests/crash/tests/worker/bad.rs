use engine::runtime::EngineBuilder;
pub(super) fn register(engine: EngineBuilder) -> EngineBuilder {
    engine
}
