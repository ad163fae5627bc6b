/* Lists in pages: Marker and MaxItems in, NextMarker out. A marker says where the next page begins, "INDEX NAME" as base64, which
 * no client looks into. */
#include <stdlib.h>
#include <string.h>

#include "host/api/call.h"
#include "host/api/page.h"
#include "lib/base/strutil.h"
#include "lib/crypto/digest.h"

static bool marker_read(const char *marker, struct page *page)
{
    char text[PAGE_MARKER_BYTES];
    size_t len = strlen(marker);
    int64_t index;
    struct err err;
    if (len >= sizeof(text) || digest_base64_decode(marker, len, text, &len, &err) < 0)
        return false;
    text[len] = '\0';
    char *space = strchr(text, ' ');
    if (space == NULL || strlen(text) != len)
        return false;
    *space = '\0';
    if (!str_to_i64(text, 0, INT32_MAX, &index))
        return false;
    page->index = (size_t)index;
    return str_copy(page->from, sizeof(page->from), space + 1);
}

bool page_begin(struct api_call *call, struct page *ret_page)
{
    return page_begin_up_to(call, PAGE_ITEMS, ret_page);
}

bool page_begin_up_to(struct api_call *call, size_t items, struct page *ret_page)
{
    const char *marker = json_str(call->aws.input, "Marker");
    size_t wanted = (size_t)json_int(call->aws.input, "MaxItems", (int64_t)items);
    *ret_page = (struct page){.max = wanted < items ? wanted : items};
    if (marker == NULL || *marker == '\0' || marker_read(marker, ret_page))
        return true;
    call_fail(call, "InvalidParameterValueException", "The marker '%.64s' is none that Stoke gave out.", marker);
    return false;
}

bool page_is_full(const struct page *page, const cJSON *list)
{
    return (size_t)cJSON_GetArraySize(list) >= page->max;
}

void page_end(cJSON *out, size_t index, const char *name)
{
    CLEANUP(freep) char *text = str_format("%zu %s", index, name);
    char *marker = malloc(DIGEST_BASE64_SIZE(strlen(text)));
    if (marker == NULL)
        abort();
    digest_base64_encode(text, strlen(text), marker);
    cJSON_AddStringToObject(out, "NextMarker", marker);
    free(marker);
}
