/* What Stoke lacks, in words: the end of every NotImplemented, so that a refusal says what is missing. docs/operations.md has the same
 * words; tests/integration/test_operations.py compares them.
 */
#pragma once

#define MISSING_S3 "there is no S3 here yet; send the zip archive itself"
#define MISSING_IMAGES "container images cannot be run yet; zip archives can"
#define MISSING_VPC "there are no networks to join; a function reaches its own loopback and Stoke"
#define MISSING_EFS "there is no EFS to mount; /tmp, layers and the archive are there"
#define MISSING_KMS "there is no KMS; nothing is encrypted at rest"
#define MISSING_CAPACITY "there are no capacity providers; all functions run on this machine"
#define MISSING_DURABLE "there are no durable executions; invocations are not recorded and cannot be resumed"
#define MISSING_TENANTS "sandboxes are kept apart by function version, not by tenant"
#define MISSING_QUEUE "there is no queue for asynchronous invocations yet; Invoke with InvocationType RequestResponse is there"
#define MISSING_STREAMS "responses are not streamed yet; Invoke returns them whole"
#define MISSING_STS "of STS there is GetCallerIdentity alone; any credentials are good"
