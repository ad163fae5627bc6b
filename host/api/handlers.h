/* The handlers of Lambda's and STS's operations: each receives a validated input and ends the call, now or later. */
#pragma once

#include "host/api/call.h"

/* function/ */
api_handler_fn create_function, update_function_code, update_function_configuration, delete_function;
api_handler_fn get_function, get_function_configuration, list_functions, list_versions_by_function;
api_handler_fn publish_version;
api_handler_fn create_alias, update_alias, get_alias, list_aliases, delete_alias;
api_handler_fn invoke_function;

/* settings/ */
api_handler_fn put_function_concurrency, get_function_concurrency, delete_function_concurrency;
api_handler_fn put_provisioned_concurrency_config, get_provisioned_concurrency_config, delete_provisioned_concurrency_config;
api_handler_fn list_provisioned_concurrency_configs;

/* layer/ */
api_handler_fn publish_layer_version, delete_layer_version;
api_handler_fn get_layer_version, get_layer_version_by_arn, list_layers, list_layer_versions;
api_handler_fn add_layer_version_permission, remove_layer_version_permission, get_layer_version_policy;
/* event_source/ */
api_handler_fn create_event_source_mapping, update_event_source_mapping, get_event_source_mapping;
api_handler_fn delete_event_source_mapping, list_event_source_mappings;

/* account.c */
api_handler_fn get_account_settings, get_caller_identity;

/* settings/ */
api_handler_fn put_function_event_invoke_config, update_function_event_invoke_config, get_function_event_invoke_config;
api_handler_fn delete_function_event_invoke_config, list_function_event_invoke_configs;
api_handler_fn create_function_url_config, update_function_url_config, get_function_url_config, delete_function_url_config;
api_handler_fn list_function_url_configs;
api_handler_fn put_runtime_management_config, get_runtime_management_config;
api_handler_fn put_function_recursion_config, get_function_recursion_config;
api_handler_fn create_code_signing_config, update_code_signing_config, get_code_signing_config, delete_code_signing_config;
api_handler_fn list_code_signing_configs, list_functions_by_code_signing_config;
api_handler_fn put_function_code_signing_config, get_function_code_signing_config, delete_function_code_signing_config;
api_handler_fn add_permission, remove_permission, get_policy;
api_handler_fn put_resource_policy, get_resource_policy, delete_resource_policy;
api_handler_fn tag_resource, untag_resource, list_tags;
