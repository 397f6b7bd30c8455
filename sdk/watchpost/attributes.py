"""How every attribute watchpost writes or reads is spelled: the one place that knows the names.

The first part follows the OpenTelemetry GenAI conventions; the second is our own vocabulary under
`watchpost.`. It holds names and closed sets of values, no behaviour.
"""

from __future__ import annotations

from typing import Final

# --- OpenTelemetry: what was asked --------------------------------------------------------------
OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_TOP_K: Final = "gen_ai.request.top_k"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
OUTPUT_TYPE: Final = "gen_ai.output.type"

# --- OpenTelemetry: what came back --------------------------------------------------------------
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK_S: Final = "gen_ai.response.time_to_first_chunk"
RESPONSE_STATUS: Final = "gen_ai.response.status"
EMBEDDING_DIMENSIONS: Final = "gen_ai.embeddings.dimension.count"
USAGE_INPUT: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_AUDIO_INPUT: Final = "gen_ai.usage.audio.input_tokens"
USAGE_AUDIO_OUTPUT: Final = "gen_ai.usage.audio.output_tokens"
USAGE_IMAGE_INPUT: Final = "gen_ai.usage.image.input_tokens"
USAGE_IMAGE_OUTPUT: Final = "gen_ai.usage.image.output_tokens"
USAGE_SEARCHES: Final = "gen_ai.usage.web_search_requests"
ANTHROPIC_CACHE_WRITE_5M: Final = "anthropic.usage.cache_creation.ephemeral_5m_input_tokens"
ANTHROPIC_CACHE_WRITE_1H: Final = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"
OPENAI_REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"
OPENAI_SYSTEM_FINGERPRINT: Final = "openai.response.system_fingerprint"
ANTHROPIC_RESPONSE_SERVICE_TIER: Final = "anthropic.response.service_tier"

# --- OpenTelemetry: content, each one JSON string -----------------------------------------------
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"
CONTENT: Final = (INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS, TOOL_DEFINITIONS)

# --- OpenTelemetry: whose, and where ------------------------------------------------------------
PROMPT_NAME: Final = "gen_ai.prompt.name"
PROMPT_VERSION: Final = "gen_ai.prompt.version"
CONVERSATION: Final = "gen_ai.conversation.id"
SESSION: Final = "session.id"
USER: Final = "user.id"
AGENT_NAME: Final = "gen_ai.agent.name"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
HTTP_STATUS: Final = "http.response.status_code"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
ENVIRONMENT: Final = "deployment.environment.name"

# --- Ours ---------------------------------------------------------------------------------------
KIND: Final = "watchpost.kind"
PROJECT: Final = "watchpost.project"
TAGS: Final = "watchpost.tags"
SEGMENT_PREFIX: Final = "watchpost.segment."
TEMPLATE_HASH: Final = "watchpost.prompt.template_hash"
USAGE_SOURCE: Final = "watchpost.usage.source"
COST_USD: Final = "watchpost.cost.usd"
CONTEXT_WINDOW: Final = "watchpost.context.window"
CONTEXT_USE: Final = "watchpost.context.use"
RETRIES: Final = "watchpost.retries"
BATCH: Final = "watchpost.batch"
BLOCKED: Final = "watchpost.blocked"
USAGE_IMAGES: Final = "watchpost.usage.images"
USAGE_SECONDS: Final = "watchpost.usage.seconds"
USAGE_CHARACTERS: Final = "watchpost.usage.characters"
USAGE_PREDICTED: Final = "watchpost.usage.predicted.accepted"
USAGE_MISPREDICTED: Final = "watchpost.usage.predicted.rejected"
"""Of tokens the caller predicted: both are in the output, the rejected ones are charged too."""

GUARD_ACTION: Final = "watchpost.guard.action"
VCS_REVISION: Final = "watchpost.vcs.revision"
LOGPROB_MEAN: Final = "watchpost.logprob.mean"
LOGPROB_MIN: Final = "watchpost.logprob.min"
STREAM_END: Final = "watchpost.stream.end"
"""Why a stream ended when it was not read to its end: `closed` or `error`."""

MODERATION_FLAGGED: Final = "watchpost.moderation.flagged"
VERDICT_EVENT: Final = "watchpost.guard.verdict"
VERDICT_GUARD: Final = "watchpost.guard.name"
VERDICT_LABEL: Final = "watchpost.guard.label"
VERDICT_DIRECTION: Final = "watchpost.guard.direction"
VERDICT_ACTION: Final = "watchpost.guard.action"
VERDICT_TRIPPED: Final = "watchpost.guard.tripped"
VERDICT_FAILED: Final = "watchpost.guard.failed"
VERDICT_PROBABILITY: Final = "watchpost.guard.probability"
VERDICT_THRESHOLD: Final = "watchpost.guard.threshold"
VERDICT_DURATION_MS: Final = "watchpost.guard.duration_ms"
VERDICT_REVISION: Final = "watchpost.guard.revision"

# --- Closed sets of values ----------------------------------------------------------------------
GENERATION: Final = "generation"
CHAIN: Final = "chain"
AGENT: Final = "agent"
TOOL: Final = "tool"
RETRIEVER: Final = "retriever"
EMBEDDING: Final = "embedding"
GUARD: Final = "guard"
KINDS: Final = (GENERATION, CHAIN, AGENT, TOOL, RETRIEVER, EMBEDDING, GUARD)

FROM_PROVIDER: Final = "provider"
ESTIMATED: Final = "estimated"
UNKNOWN: Final = "none"
USAGE_SOURCES: Final = (FROM_PROVIDER, ESTIMATED, UNKNOWN)

CHAT: Final = "chat"
COMPLETION: Final = "text_completion"
CONTENT_MADE: Final = "generate_content"
EMBEDDINGS: Final = "embeddings"
MODERATION: Final = "moderation"
"""Operations; all but the last are the conventions'."""

INPUT: Final = "input"
OUTPUT: Final = "output"
