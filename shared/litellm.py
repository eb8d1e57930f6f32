"""What LiteLLM's users write, as data: variables, prefixes, and what of it no batch of ours can run."""

import re
from collections.abc import Mapping
from typing import Any, Final

from shared.config import says

__all__ = ["SAID_BY", "VARIABLES", "expanded", "fallbacks", "is_openai", "kept_back", "not_ours", "split_model"]

# LiteLLM's variables, by provider and parameter: what an entry does not say itself. Of several, the first that is set.
VARIABLES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "vertex_ai": {
        "vertex_project": ("VERTEXAI_PROJECT", "VERTEX_PROJECT"),
        "vertex_location": ("VERTEXAI_LOCATION", "VERTEX_LOCATION"),
        "vertex_credentials": ("VERTEXAI_CREDENTIALS", "GCS_PATH_SERVICE_ACCOUNT"),
        "api_base": ("VERTEXAI_API_BASE", "VERTEX_API_BASE"),
    },
    "openai": {
        "api_key": ("OPENAI_API_KEY",),
        "api_base": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        "organization": ("OPENAI_ORGANIZATION", "OPENAI_ORG_ID"),
    },
    "azure": {
        "api_base": ("AZURE_API_BASE",),
        "api_key": ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
        "api_version": ("AZURE_API_VERSION",),
        "tenant_id": ("AZURE_TENANT_ID",),
        "client_id": ("AZURE_CLIENT_ID",),
        "client_secret": ("AZURE_CLIENT_SECRET",),
        "azure_ad_token": ("AZURE_AD_TOKEN",),
    },
    "hosted_vllm": {"api_base": ("HOSTED_VLLM_API_BASE",), "api_key": ("HOSTED_VLLM_API_KEY",)},
}
SAID_BY: Final = {  # which variable makes a provider part of a configuration without a file
    "vertex_ai": "vertex_project",
    "openai": "api_key",
    "azure": "api_base",
    "hosted_vllm": "api_base",
}

# Providers that LiteLLM knows (its LlmProviders of 2026-11, and older names) and we do not run, and modes that no batch
# has.
_ELSEWHERE: Final = frozenset({
    "a2a", "a2a_agent", "ai21", "ai21_chat", "aiml", "aiohttp_openai", "amazon_nova", "anthropic", "anthropic_text",
    "apertis", "assemblyai", "auto_router", "aws_polly", "aws_textract", "azure_ai", "azure_speech", "azure_text",
    "baseten", "bedrock", "bedrock_mantle", "black_forest_labs", "bytez", "cerebras", "charity_engine", "chatgpt",
    "chutes", "clarifai", "cloudflare", "codestral", "cognition", "cohere", "cohere_chat", "cometapi", "compactifai",
    "cortecs", "cursor", "custom", "custom_openai", "darkbloom", "dashscope", "databricks", "datarobot", "deepgram",
    "deepinfra", "deepseek", "docker_model_runner", "dotprompt", "edenai", "elevenlabs", "empower", "fal_ai",
    "featherless_ai", "fireworks_ai", "friendliai", "galadriel", "gdc", "gemini", "gigachat", "github",
    "github_copilot", "gradient_ai", "groq", "helicone", "heroku", "huggingface", "humanloop", "hyperbolic",
    "inception", "infinity", "jina_ai", "lambda_ai", "langflow", "langfuse", "langgraph", "lemonade", "libertai",
    "litellm_agent", "litellm_proxy", "llamafile", "lm_studio", "manus", "maritalk", "meta", "meta_llama", "milvus",
    "minimax", "mistral", "modelscope", "mongodb", "moonshot", "morph", "nadir", "nano-gpt", "nebius", "neosantara",
    "nlp_cloud", "novita", "nscale", "nvidia_nim", "nvidia_riva", "oci", "ollama", "ollama_chat", "oobabooga",
    "openai_like", "openrouter", "ovhcloud", "parasail", "perplexity", "petals", "pg_vector", "pinstripes", "poe",
    "predibase", "prism", "publicai", "qwen_ai_platform", "qwencloud", "ragflow", "recraft", "reducto", "reka",
    "replicate", "runwayml", "s3_vectors", "sagemaker", "sagemaker_chat", "sagemaker_nova", "sail", "sambanova",
    "sap", "scaleway", "scx-ai", "snowflake", "soniox", "stability", "strands_decider", "synthetic", "tencent",
    "tensormesh", "text-completion-codestral", "text-completion-inception", "text-completion-openai", "together_ai",
    "topaz", "transcribe", "triton", "typesafe", "v0", "valkey", "vercel_ai_gateway", "vertex_ai_beta", "vllm",
    "volcengine", "voyage", "wandb", "watsonx", "watsonx_text", "xai", "xiaomi_mimo", "xinference", "zai",
})  # fmt: skip
_NO_BATCH: Final = frozenset(
    {"audio_speech", "audio_transcription", "image_edit", "image_generation", "ocr", "realtime", "rerank", "search"}
    | {"vector_store", "video_generation"}
)
_OTHERS: Final = re.compile(r"(claude|command|jamba|dall-e|sora|tts|whisper)-")  # what names without a prefix speak of
_OPENAI: Final = re.compile(r"https://([a-z]{2}\.)?api\.openai\.com(:443)?(/.*)?", re.IGNORECASE)


def split_model(said: str) -> tuple[str, str]:
    """The provider of a `model` and its name there. OpenAI's need no prefix; "" for others that have none."""
    provider, slash, name = said.partition("/")
    if slash:
        return provider, name
    return ("openai" if says("openai", said) else ""), said


def not_ours(model: object, mode: object) -> bool:
    """Of a file that serves more than batches: what no batch of ours can run, and is nobody's mistake."""
    prefix, slash, _ = str(model).partition("/")
    return prefix in _ELSEWHERE or mode in _NO_BATCH or (not slash and _OTHERS.match(prefix) is not None)


def expanded(member: Any, environment: Mapping[str, str]) -> list[Any]:
    """An entry as it stands; of one that runs any model of anybody, `*`, one for each provider that variables name."""
    match member:
        case {"model_name": "*", "litellm_params": {"model": "*"}}:
            named = [
                provider for provider, needed in SAID_BY.items() if fallbacks(provider, {}, environment).get(needed)
            ]
            return [_of_one(member, provider) for provider in named]
        case _:
            return [member]


def _of_one(member: Mapping[str, Any], provider: str) -> dict[str, Any]:
    pattern, info = f"{provider}/*", member.get("model_info")
    if isinstance(info, dict) and info.get("id") is not None:
        info = {**info, "id": f"{info['id']}/{provider}"}
    rest = {} if info is None else {"model_info": info}
    return {**member, "model_name": pattern, "litellm_params": {**member["litellm_params"], "model": pattern}, **rest}


def fallbacks(provider: str, given: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, str]:
    """By parameter, which of LiteLLM's variables says what an entry, in which others are `given`, does not."""
    found = {}
    for parameter, names in VARIABLES.get(provider, {}).items():
        variable = next(filter(environment.get, names), None)
        if parameter not in given and variable is not None:
            found[parameter] = variable
    if "api_key" in given or "azure_ad_token" in given:  # one way to prove who we are is enough
        found = {name: found[name] for name in found.keys() - {"api_key", "azure_ad_token", "client_secret"}}
    if kept_back(provider, given, environment):
        found.pop("api_key", None)
    return found


def kept_back(provider: str, given: Mapping[str, object], environment: Mapping[str, str]) -> bool:
    """Whether an entry points to where OpenAI's key has no business: neither OpenAI nor what its variables name."""
    base = str(given.get("api_base") or "").rstrip("/")
    named = {environment.get(variable, "").rstrip("/") for variable in VARIABLES["openai"]["api_base"]}
    return provider == "openai" and base != "" and base not in named and not is_openai(base)


def is_openai(base: str) -> bool:
    """Whether an address is one of OpenAI's own."""
    return _OPENAI.fullmatch(base) is not None
