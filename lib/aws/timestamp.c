/* Timestamps in the three formats of the models: seconds since 1970, RFC 3339 and the date of HTTP headers
 * (https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait). */
#include "lib/aws/codec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECONDS_MAX 253402300799.0 /* the last second of year 9999 */

static bool parse_number(const char *text, double *ret)
{
    char *end;
    if (text[0] == '\0' || strspn(text, "0123456789.+-eE") != strlen(text))
        return false;
    double value = strtod(text, &end);
    if (*end || !isfinite(value) || fabs(value) > SECONDS_MAX)
        return false;
    *ret = value;
    return true;
}

static bool parse_iso(const char *text, double *ret)
{
    struct tm tm = {0};
    int used = 0;
    if (sscanf(text, "%4d-%2d-%2d%*1[Tt]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) !=
        6)
        return false;
    const char *p = text + used;
    double fraction = 0;
    if (*p == '.') {
        char digits[16] = "0";
        size_t n = strspn(p + 1, "0123456789");
        if (n == 0)
            return false;
        snprintf(digits, sizeof digits, "0.%.*s", (int)(n < 12 ? n : 12), p + 1);
        fraction = strtod(digits, NULL);
        p += 1 + n;
    }
    int hours = 0, minutes = 0, offset = 0;
    if ((*p == '+' || *p == '-') && sscanf(p + 1, "%2d:%2d%n", &hours, &minutes, &used) == 2 && p[1 + used] == '\0')
        offset = (hours * 3600 + minutes * 60) * (*p == '-' ? -1 : 1);
    else if ((*p != 'Z' && *p != 'z') || p[1])
        return false;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 ||
        tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60 || tm.tm_year < 0)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    *ret = (double)(timegm(&tm) - offset) + fraction;
    return true;
}

static bool parse_http(const char *text, double *ret)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *end)
        return false;
    *ret = (double)timegm(&tm);
    return true;
}

bool aws_time_parse(enum aws_time format, const char *text, double *ret_seconds)
{
    switch (format) {
    case AWS_TIME_DEFAULT:
    case AWS_TIME_EPOCH:
        return parse_number(text, ret_seconds);
    case AWS_TIME_ISO8601: /* the services take seconds here as well */
        return parse_iso(text, ret_seconds) || parse_number(text, ret_seconds);
    case AWS_TIME_RFC822:
        return parse_http(text, ret_seconds) || parse_iso(text, ret_seconds);
    }
    return false;
}

void aws_time_format(enum aws_time format, double seconds, char out[AWS_TIME_BYTES])
{
    if (!(fabs(seconds) <= SECONDS_MAX))
        seconds = 0;
    if (format == AWS_TIME_DEFAULT || format == AWS_TIME_EPOCH) {
        snprintf(out, AWS_TIME_BYTES, "%.15g", seconds);
        return;
    }
    time_t whole = (time_t)floor(seconds);
    int ms = (int)((seconds - (double)whole) * 1000 + 0.5);
    whole += ms / 1000;
    ms %= 1000;
    struct tm tm;
    gmtime_r(&whole, &tm);
    if (format == AWS_TIME_RFC822) { /* not the locale's names */
        static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        snprintf(out, AWS_TIME_BYTES, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * (size_t)tm.tm_wday, tm.tm_mday,
                 months + 3 * (size_t)tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        return;
    }
    size_t n = strftime(out, AWS_TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    if (ms)
        snprintf(out + n, AWS_TIME_BYTES - n, ".%03dZ", ms);
    else
        snprintf(out + n, AWS_TIME_BYTES - n, "Z");
}
