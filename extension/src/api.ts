/** Generated of openapi.json by `jlpm api`: not to be edited. */
/* eslint-disable */
export interface paths {
    "/sovlab/api/backends": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What hardware a target has, what is free, how its devices do, and what `auto` takes. */
        get: operations["backends"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A page of the jobs of a target. */
        get: operations["jobs"];
        put?: never;
        /** Run a file, or a cell that needs no variable of its notebook. */
        post: operations["submit"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs/{job}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All that is known of a job. */
        get: operations["job"];
        put?: never;
        post?: never;
        /** Forget a job that has ended, and all that it left. */
        delete: operations["remove"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs/{job}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask a job to end: SIGTERM, its grace time, SIGKILL. */
        post: operations["cancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs/{job}/card": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The card of a job as a display's MIME bundle, for an output that the page writes. */
        get: operations["card"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs/{job}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What happened to a job, and when. */
        get: operations["events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs/{job}/log": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A part of what a job printed. */
        get: operations["log"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs/{job}/manifests": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The objects of a job as its cluster has them. */
        get: operations["manifests"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs/{job}/power": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The power of a job's devices over the time. */
        get: operations["power"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs/{job}/rerun": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Run a job's request again, as a new job. */
        post: operations["rerun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs/{job}/sent": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was sent for a job: its source, names and sizes; no value. */
        get: operations["sent"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs/bulk": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Do the same with several jobs. */
        post: operations["bulk"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/jobs/plan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What a submit would do and send; nothing is submitted. */
        post: operations["plan"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How far the executed notebook of a run is. */
        get: operations["outcome"];
        put?: never;
        /** Run a whole notebook as a job; what was executed goes to a path of its own. */
        post: operations["run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/runs/form": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What can be set for the run of a notebook, from its parameters cell. */
        get: operations["form"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A WebSocket: the page says ClientMessage, the server ServerMessage, as JSON texts. */
        get: operations["stream"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/targets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The targets of the user's settings. */
        get: operations["targets"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/telemetry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a target's devices draw now, and how hot they are. */
        get: operations["telemetry"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sovlab/api/version": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is running here. */
        get: operations["version"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * Backend
         * @description What a target has of one kind of hardware.
         */
        Backend: {
            /** @description °C of the hottest place of any of its devices. */
            celsius: components["schemas"]["Figure"];
            /** @description devices, or cores of `cpu`; null if not known. */
            free: number | null;
            /** @description W that its devices may draw more until they, or the site, are at their limits. */
            headroom: components["schemas"]["Figure"];
            /** @description bytes of the largest device; null if not known. */
            memory: number | null;
            /** @description product names. */
            models: string[];
            /** @description what `--backend` takes. */
            name: string;
            /** @description why `auto` does not take it, a clause; empty if it does, or if there is nothing to say. */
            passed: string;
            /** @description jobs that wait for it; null if not known. */
            queued: number | null;
            /** @description when they were so; null if that is not told. */
            seen: number | null;
            /** @description how many of its devices heat slows. */
            slowed: components["schemas"]["Figure"];
            /** @description where the numbers are from. */
            source: string;
            /** @description devices, or cores of `cpu`; null if not known. */
            total: number | null;
            /** @description what was looked at and what it said; also where nothing was found. */
            why: string;
        };
        /**
         * Backends
         * @description The hardware of a target.
         */
        Backends: {
            /** @description the backend that a job gets that asks for none, and for no number of devices. */
            auto: string;
            /** @description a sentence: why that one. */
            auto_why: string;
            /** @description one for each that is known. */
            backends: components["schemas"]["Backend"][];
            /** @description its name. */
            target: string;
            /** @description when it was asked. */
            time: number;
        };
        /**
         * Begun
         * @description A run of a notebook that is under way, or was there already.
         */
        Begun: {
            /**
             * @description whether it is `new`, or how the same run was found, whose outcome is written to the output.
             * @enum {unknown}
             */
            found: "ended" | "new" | "running";
            /** @description id of its job. */
            job: string;
            /** @description path of the executed notebook, as the contents API has it. */
            output: string;
            /** @description of the job. */
            target: string;
        };
        /**
         * Bulk
         * @description Several jobs, and what is to be done with each.
         */
        Bulk: {
            /**
             * @description `remove` refuses those that have not ended.
             * @enum {unknown}
             */
            action: "cancel" | "remove" | "rerun";
            /** @description of any targets. */
            jobs: components["schemas"]["JobName"][];
        };
        /**
         * BulkResult
         * @description What became of each job, in the order of the request.
         */
        BulkResult: {
            results: components["schemas"]["Done"][];
        };
        /**
         * Card
         * @description The card of a job as it is now: a display's MIME bundle, with an HTML that needs no server.
         */
        Card: {
            data: Record<string, never>;
        };
        ClientMessage: components["schemas"]["Watch"] | components["schemas"]["Look"] | components["schemas"]["Follow"] | components["schemas"]["Unfollow"];
        /**
         * Device
         * @description A device as it is now.
         */
        Device: {
            /** @description by place. */
            celsius: {
                [key: string]: number;
            };
            /** @description its UUID or address. */
            id: string;
            /** @description as its vendor's runtime numbers it. */
            index: number | null;
            /** @description `gpu`, `cpu`, `memory`, `node`, or a site's own. */
            kind: string;
            /** @description W that it keeps to; null if not known. */
            limit: number | null;
            /** @description its model; may be empty. */
            name: string;
            /** @description W, the mean of the look. */
            power: components["schemas"]["Reading"];
            /** @description why it is slowed; null if that is not told. */
            slowed: string[] | null;
        };
        /**
         * Done
         * @description What became of one job of several.
         */
        Done: {
            /** @description of the job. */
            id: string;
            /** @description the new job of a rerun, or the job as it is now; null of one that was removed. */
            job: components["schemas"]["JobRow"] | null;
            /** @description why nothing was done; null if it was. */
            problem: components["schemas"]["Problem"] | null;
            /** @description of the job. */
            target: string;
        };
        /**
         * Fault
         * @description A part of a request that is wrong.
         */
        Fault: {
            /** @description what is wrong with it. */
            detail: string;
            /** @description what to do about it; empty if the detail says it. */
            hint: string;
            /** @description where: a JSON pointer into the body, or the name of a parameter. */
            pointer: string;
        };
        /**
         * Figure
         * @description A number on the state of devices, with where it is from.
         */
        Figure: {
            /** @description when it was so; null if that is not known. */
            seen: number | null;
            /** @description where it is from, in a few words. */
            source: string;
            /** @description `°C`, `W` or `devices`. */
            unit: string;
            /** @description null if it is not known. */
            value: number | null;
            /** @description why there is no value, or what is not in it: a clause. */
            why: string;
        };
        /**
         * Follow
         * @description Tell me all of one job: its document when it changes, its log, its power.
         */
        Follow: {
            /**
             * @description bytes of the log that the page has, by rank (`""` of a job of one process); null asks for the end of the log.
             * @default null
             */
            have: {
                [key: string]: number;
            } | null;
            /** @description its id. */
            job: string;
            /**
             * @description null is the current one.
             * @default null
             */
            target: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "follow";
        };
        /**
         * Form
         * @description What a form for the run of a notebook has.
         */
        Form: {
            /** @description name of the kernel that the notebook names; empty if it names none. */
            kernel: string;
            /** @description of the kernel; empty if the notebook does not say. */
            language: string;
            /** @description path as the contents API has it. */
            notebook: string;
            /** @description sentences about what cannot be set, and why. */
            notes: string[];
            /** @description a path beside it at which nothing is. */
            output: string;
            /** @description in the order of the notebook. */
            parameters: components["schemas"]["Parameter"][];
        };
        /**
         * Gap
         * @description A part of the log that is not told here; the route of the log has it by rank, offset and limit.
         */
        Gap: {
            /** @description bytes of that rank's log: from, and up to. */
            end: number | null;
            /** @description its id. */
            job: string;
            /** @description whose; null in a job of one process. */
            rank: number | null;
            /** @description bytes of that rank's log: from, and up to. */
            start: number;
            /** @description of the job. */
            target: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "gap";
            /** @description `skipped`: told faster than the page has taken it, or before it asked. Else why it is lost. */
            why: string;
        };
        /**
         * Happening
         * @description Something that happened to a job.
         */
        Happening: {
            /** @description how often it happened up to then. */
            count: number;
            /** @description what it happened to: `job`, or an object of its cluster. */
            of: string;
            /** @description one sentence, or the cluster's own words. */
            text: string;
            /** @description when; null for what is so now. */
            time: number | null;
            /** @description it went wrong. */
            warning: boolean;
        };
        /**
         * Happenings
         * @description A part of what happened to a job, the oldest first.
         */
        Happenings: {
            /** @description the part. */
            happenings: components["schemas"]["Happening"][];
            /** @description of the job. */
            id: string;
            /** @description sentences about what could not be seen. */
            notes: string[];
            /** @description which part. */
            page: number;
            /** @description which part. */
            size: number;
            /** @description of all. */
            total: number;
        };
        /**
         * Health
         * @description Whether what is shown of a target is true now.
         */
        Health: {
            /** @description why it is down. */
            problem: components["schemas"]["Problem"] | null;
            /** @description when what is shown was true; null if nothing was ever known. */
            seen: number | null;
            /**
             * @description `connecting` before the first answer; `down`: what is shown is the last that was known.
             * @enum {unknown}
             */
            state: "connecting" | "down" | "live";
            /** @description its name. */
            target: string;
        };
        /**
         * HealthChanged
         * @description Whether what is shown of a target is true now.
         */
        HealthChanged: {
            health: components["schemas"]["Health"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "health";
        };
        /**
         * Hello
         * @description The first message.
         */
        Hello: {
            /** @description changes when the server starts again. */
            epoch: string;
            /** @description what the user may do. */
            may: components["schemas"]["May"];
            /** @description as in `Version`. */
            protocol: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "hello";
            /** @description of the package. */
            version: string;
        };
        /**
         * A job of sovlab
         * @description What is known of a job. Times are seconds since the epoch; null is unknown or not yet. Readers ignore members that they do not know; a change that they would misread gets another version.
         */
        Job: {
            /** @description Jobs before it in its queue; null if it does not wait in one. */
            ahead: number | null;
            backend: string | null;
            /** @description How the backend was chosen, in one sentence. */
            backend_why: string;
            cpu_seconds: number | null;
            /** @description When it was to start so as to have ended by a time that was asked for, and what waiting has brought by the forecast. Only there if that was asked for. */
            deferral?: {
                /** @description Mean of the forecast over as long a time from its submit. */
                at_once: number | null;
                /** @description Seconds that it was expected to run, by earlier runs of the same code; null if not known. */
                duration: number | null;
                /** @description When it is to have ended. */
                finish_by: number | null;
                /** @description Mean of the forecast while it ran. */
                ran: number | null;
                /** @description What the forecast is of, e.g. carbon intensity; empty if it was not held back. */
                signal: string;
                /** @description The start that was chosen; the time of its submit if it was not held back. */
                start: number | null;
                /** @description Of the signal. */
                unit: string;
                /** @description Seconds from its submit to its start; this and the two means are null before its end, and if it did not run within the forecast. */
                waited: number | null;
                /** @description Why it was not held back; empty if it was. */
                why: string;
                /** @description What waiting has brought, or why it did not wait; empty before its end. */
                words: string;
            };
            ended: number | null;
            /** @description What was measured on the job's machines, once it has ended; null if nothing was looked at. */
            energy: null | {
                devices: {
                    /** @description A number with where it is from. */
                    energy: {
                        /** @description Share of the time of which it is. */
                        coverage: number | null;
                        /** @description How it was measured, for people. */
                        method: string;
                        /** @description Of what it is: device, board, module, package, node or job. */
                        scope: string;
                        /** @enum {unknown} */
                        source: "counter" | "sampled" | "attributed" | "modelled" | "unavailable";
                        unit: string;
                        /** @description null if it is not known; why says why. */
                        value: number | null;
                        why: string;
                    };
                    /** @description Highest °C by place. */
                    hottest: {
                        [key: string]: number | null;
                    };
                    id: string;
                    index: number | null;
                    kind: string;
                    /** @description W that it keeps to. */
                    limit: number | null;
                    /** @description Fewest °C left until it slows itself. */
                    margin: number | null;
                    /** @description W. */
                    mean: number | null;
                    /** @description What it does not tell, and why. */
                    missing: {
                        [key: string]: string;
                    };
                    name: string;
                    /** @description Which of several nodes it is of; null if there is one. */
                    node: number | null;
                    /** @description W. */
                    peak: number | null;
                    /** @description °C at which it slows itself. */
                    slowdown: number | null;
                    /** @description Share of the time, by cause: heat, power, facility. */
                    slowed: {
                        [key: string]: number | null;
                    };
                    /** @description Where each of the other numbers that is known is from, by its name. */
                    sources?: {
                        [key: string]: "counter" | "sampled" | "attributed" | "modelled" | "unavailable";
                    };
                }[];
                /** @description Joules by sort of device. Those of different groups may overlap: they are not to be added. */
                groups: {
                    devices: string[];
                    /** @description A number with where it is from. */
                    energy: {
                        /** @description Share of the time of which it is. */
                        coverage: number | null;
                        /** @description How it was measured, for people. */
                        method: string;
                        /** @description Of what it is: device, board, module, package, node or job. */
                        scope: string;
                        /** @enum {unknown} */
                        source: "counter" | "sampled" | "attributed" | "modelled" | "unavailable";
                        unit: string;
                        /** @description null if it is not known; why says why. */
                        value: number | null;
                        why: string;
                    };
                    /** @description J of it while no CPU worked. */
                    idle: number | null;
                    /** @description W. */
                    mean: number | null;
                    /** @enum {unknown} */
                    name: "accelerators" | "processors" | "node";
                    /** @description W. */
                    peak: number | null;
                    /** @description Where each of the other numbers that is known is from, by its name. */
                    sources?: {
                        [key: string]: "counter" | "sampled" | "attributed" | "modelled" | "unavailable";
                    };
                }[];
                /** @description How far limits that the job was given are used, by their name: energy_budget in J, max_temperature in degrees Celsius; of the node that was measured. */
                limits: {
                    [key: string]: {
                        limit: number | null;
                        /** @enum {unknown} */
                        source: "counter" | "sampled" | "attributed" | "modelled" | "unavailable";
                        /** @description null if not known. */
                        used: number | null;
                        /** @description Why it is not watched; empty if it is. */
                        why: string;
                    };
                };
                /** @description Where nothing was measured, the range in which the joules lie by a model from CPU time; null otherwise. */
                modelled: null | {
                    high: number | null;
                    low: number | null;
                    method: string;
                    /** @constant */
                    source: "modelled";
                    /** @constant */
                    unit: "J";
                };
                seconds: number | null;
                /** @description Why a sensor measured nothing, by its name. */
                unavailable: {
                    [key: string]: string;
                };
            };
            error: null | {
                message: string;
                rank: number | null;
                /** @description As it was in the job; of a long one the middle is left out. */
                traceback: string;
                type: string;
            };
            /** @description Of the user's process, null if it did not exit by itself. */
            exit_code: number | null;
            /** @description What the energy means at the site, modelled from the IT energy by which the job is told and from what the settings say under [site]; never part of what was measured. Only there if the site says something; null before the job has ended. */
            footprint?: null | {
                /** @description gCO2e: E × I + M, as in the Software Carbon Intensity specification (ISO/IEC 21031:2024). */
                carbon: null | components["schemas"]["JobReading"];
                /** @description In the currency that is its unit. */
                cost: null | components["schemas"]["JobReading"];
                /** @description gCO2e of carbon that are M, of making the accelerators. */
                embodied: null | components["schemas"]["JobReading"];
                /** @description J of the facility: IT energy × PUE; null without a PUE. */
                energy: null | components["schemas"]["JobReading"];
                /** @description gCO2e for each step that the job reported: its SCI. */
                per_step: null | components["schemas"]["JobReading"];
                /** @description Power usage effectiveness of the site; null if it names none, and then all is of the IT energy alone. */
                pue: number | null;
            };
            /** @description Accelerators of each node that were asked for. */
            gpus: number | null;
            host: string;
            /** @description The durable id, a DNS label. */
            id: string;
            /**
             * @description What was submitted; null if the record is damaged.
             * @enum {unknown}
             */
            kind: "cell" | "call" | "script" | "notebook" | null;
            /** @description Peak resident memory in bytes. */
            max_rss: number | null;
            /** @description One plain sentence: why it waits or how it ended. */
            message: string;
            /** @description What people call it; not unique. */
            name: string;
            nodes: number | null;
            /** @description Where it was submitted from, e.g. In[7]. */
            origin: string;
            /** @description Whether it is this user's, as far as its object tells. */
            own: boolean;
            /** @description Who submitted it, as its place calls them; empty where all jobs are one user's. */
            owner: string;
            /** @description Processes on each node. */
            procs: number | null;
            progress: null | {
                fraction: number | null;
                /** @description What was reported with the step; numbers that JSON has not, like nan, are text. */
                metrics: {
                    [key: string]: number | string;
                };
                step: number | null;
                time: number;
                /** @description null if the job does not know. */
                total: number | null;
            };
            python: string;
            /**
             * @description Why it is in its state, for machines.
             * @enum {unknown}
             */
            reason: "" | "waiting" | "deferred" | "user_error" | "timeout" | "limit" | "cancelled" | "killed" | "out_of_memory" | "lost" | "payload" | "runner" | "unreadable";
            returned: {
                /** @description What a reader wants to know of it, e.g. its shape. */
                detail: string;
                /** @description Why it could not be sent; empty if it was. */
                error: string;
                name: string;
                /** @description Bytes in the results. */
                size: number;
                type: string;
            }[];
            /** @description The signal that ended it, e.g. SIGKILL; empty if none did. */
            signal: string;
            started: number | null;
            /** @enum {unknown} */
            state: "pending" | "queued" | "running" | "suspended" | "succeeded" | "failed" | "cancelled" | "unknown";
            submitted: number | null;
            /** @description The target it was submitted to. */
            target: string;
            /** @description Names that the cell bound and nobody asked for. */
            unreturned: string[];
            /** @constant */
            version: 1;
        };
        /**
         * JobChanged
         * @description What is known of a job that is followed.
         */
        JobChanged: {
            /** @description it has ended and all of its log was told: nothing more will come of it. */
            ended: boolean;
            /** @description its document. */
            job: components["schemas"]["Job"];
            /** @description of the job. */
            target: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "job";
        };
        /**
         * JobName
         * @description A job: its id, and its target, null for the current one.
         */
        JobName: {
            id: string;
            /** @default null */
            target: string | null;
        };
        /**
         * JobPage
         * @description A part of the jobs of a target.
         */
        JobPage: {
            /** @description jobs of the target by state, whatever the filter. */
            counts: {
                [key: string]: number;
            };
            /** @description whether they are true now. */
            health: components["schemas"]["Health"];
            /** @description the rows, in the order that was asked for. */
            jobs: components["schemas"]["JobRow"][];
            /** @description which part: rows from `page × size` on. */
            page: number;
            /** @description which part: rows from `page × size` on. */
            size: number;
            /** @description its name. */
            target: string;
            /** @description jobs that pass the filter. */
            total: number;
        };
        /** @description A number with where it is from. */
        JobReading: {
            /** @description Share of the time of which it is. */
            coverage: number | null;
            /** @description How it was measured, for people. */
            method: string;
            /** @description Of what it is: device, board, module, package, node or job. */
            scope: string;
            /** @enum {unknown} */
            source: "counter" | "sampled" | "attributed" | "modelled" | "unavailable";
            unit: string;
            /** @description null if it is not known; why says why. */
            value: number | null;
            why: string;
        };
        /**
         * JobRow
         * @description A job as a line of a list; `Job` has all that is known of it.
         */
        JobRow: {
            /** @description jobs before it in its queue; null if it does not wait in one. */
            ahead: number | null;
            backend: string | null;
            ended: number | null;
            /** @description what it took in J, once it has ended; null if nothing was looked at. */
            energy: components["schemas"]["Reading"] | null;
            /** @description of its progress, 0 to 1; null if not known. */
            fraction: number | null;
            /** @description accelerators on each node. */
            gpus: number | null;
            /** @description what it was given, in a few words. */
            hardware: string;
            /** @description the durable id. */
            id: string;
            /** @description null if its record is damaged. */
            kind: string | null;
            /** @description the same as one plain sentence. */
            message: string;
            /** @description what people call it; not unique. */
            name: string;
            nodes: number | null;
            /** @description where it was submitted from, e.g. `In[7]`. */
            origin: string;
            /** @description whether that is this user, as far as its object tells. */
            own: boolean;
            /** @description who submitted it; empty where all jobs are one user's. */
            owner: string;
            /** @description why it is in its state, for machines. */
            reason: string;
            started: number | null;
            /** @enum {unknown} */
            state: "cancelled" | "failed" | "pending" | "queued" | "running" | "succeeded" | "suspended" | "unknown";
            submitted: number | null;
            /** @description where it was submitted to. */
            target: string;
            /** @description the state in a few words, e.g. `failed: user error`, without the time that passes. */
            words: string;
        };
        /**
         * Log
         * @description A part of the log of a job that is followed.
         */
        Log: {
            /** @description its id. */
            job: string;
            /** @description in the order in which they were printed. */
            pieces: components["schemas"]["LogPiece"][];
            /** @description of the job. */
            target: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "log";
        };
        /**
         * LogPage
         * @description A part of a job's log.
         */
        LogPage: {
            /** @description nothing came after it when it was read. */
            end: boolean;
            /** @description the job has ended: nothing more will come. */
            ended: boolean;
            /** @description why the rest cannot be read; empty if it can. */
            lost: string;
            /** @description of the rank that was asked for, or of all ranks together: the offset after this part. */
            next: number;
            /** @description in the order in which they were printed; where one rank is asked for, they join. */
            pieces: components["schemas"]["LogPiece"][];
        };
        /**
         * LogPiece
         * @description A part of what one rank of a job printed.
         */
        LogPiece: {
            /** @description how many these are; not the length of the text, where they were not all UTF-8. */
            bytes: number;
            /** @description that printed it; null in a job of one process. */
            rank: number | null;
            /** @description bytes that the rank had printed before. */
            start: number;
            /** @description decoded; what is not UTF-8 is U+FFFD. `\r` and escape sequences are as they were printed. */
            text: string;
        };
        /**
         * Look
         * @description Tell me what the devices of these targets draw, and of no others; empty ends it.
         */
        Look: {
            targets: string[];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "look";
        };
        /**
         * Manifests
         * @description The objects of a job as its cluster has them; values of Secrets are their sizes.
         */
        Manifests: {
            /** @description sentences about what is not among them. */
            notes: string[];
            /** @description the same. */
            objects: Record<string, never>[];
            /** @description of all, the workload first. */
            yaml: string;
        };
        /**
         * May
         * @description What the user of this connection may do, by the server's authorizer.
         */
        May: {
            /** @description submit jobs and run them again. */
            execute: boolean;
            /** @description cancel and remove jobs. */
            write: boolean;
        };
        /** Options */
        Options: {
            /** @description --backend: hardware: auto, cpu, cuda, rocm, xpu or hpu (default: auto) */
            backend?: string;
            /** @description --cpu: cores per node */
            cpu?: number;
            /** @description --energy-budget: end it, after its checkpoint hook, when it has taken this, e.g. 2kWh, 500Wh; measured only */
            energy_budget?: string | number;
            /** @description --env: set an environment variable; may be repeated */
            env?: {
                [key: string]: string;
            };
            /** @description --file: send this file or directory with the code, to where it reads it; may be repeated */
            files?: string[];
            /** @description --finish-by: start it when the site's forecast is best for ending by then, e.g. 08:00, +6h; see [forecast] */
            finish_by?: string | number;
            /** @description --gpus: accelerators per node (default: 0) */
            gpus?: number;
            /** @description --max-temperature: end it, after its checkpoint hook, when a device of its gets hotter than this, e.g. 85 */
            max_temperature?: string | number;
            /** @description --memory: memory per node, e.g. 4G; the job is ended when it uses more */
            memory?: string | number;
            /** @description --name: what to call it */
            name?: string;
            /** @description --nodes: machines (default: 1) */
            nodes?: number;
            /** @description --out: bring these variables back */
            outputs?: string[] | string;
            /** @description --power-cap: have each of its accelerators keep to this while it runs, e.g. 300W; where that may be set */
            power_cap?: string | number;
            /** @description --power-rate: how often a second to sample power (default: 1; 0 reads energy counters only) */
            power_rate?: number;
            /** @description --priority: priority class of the cluster (default: the target's) */
            priority?: string;
            /** @description --procs: processes per node, as ranks of torchrun (default: one per GPU) */
            procs?: number;
            /** @description --queue: of the cluster (default: the target's) */
            queue?: string;
            /** @description --in: send just these variables (default: those the cell reads) */
            send?: string[] | string;
            /** @description --target: a target from the settings (default: the current one) */
            target?: string;
            /** @description --timeout: end it after this time, e.g. 90s, 15m, 2h */
            timeout?: string | number;
        };
        /**
         * Outcome
         * @description How far the executed notebook of a run is.
         */
        Outcome: {
            /** @description its path, as the contents API has it. */
            output: string;
            /** @description whether nobody writes it any more; null if that is not known: this server has not begun the run. */
            over: boolean | null;
            /** @description why it was not written whole, or how the run failed, as a sentence; empty if it did not. */
            problem: string;
            /** @description whether it is whole: with the record of its run. */
            written: boolean;
        };
        /**
         * Parameter
         * @description A parameter of a notebook, as its cell with the tag `parameters` has it.
         */
        Parameter: {
            /** @description the only values that it may have; empty if it may have others. */
            choices: string[];
            /** @description whether the default is computed in the notebook. */
            computed: boolean;
            /** @description as somebody would type it; null if it has none, or none that is shown. */
            default: string | null;
            /**
             * @description what its value is; `any` where the notebook does not say.
             * @enum {unknown}
             */
            kind: "any" | "bool" | "dict" | "float" | "int" | "list" | "str";
            /** @description as the notebook has it. */
            name: string;
            /** @description the comment behind it. */
            note: string;
            /** @description whether it may be None. */
            optional: boolean;
            /** @description whether the notebook has only its type, and no value. */
            required: boolean;
            /** @description whether it looks like a secret, which is taken from nobody: notebooks are for all to read. */
            secret: boolean;
            /** @description the same as the notebook writes it, or as its default is; empty if neither says. */
            type: string;
        };
        /**
         * Plan
         * @description What a submit would do; nothing was submitted.
         */
        Plan: {
            /** @description on what, and why on that. */
            backend: string;
            /** @description on what, and why on that. */
            backend_why: string;
            /** @description files that would be sent. */
            files: string[];
            /** @description what it would be given, in a few words. */
            hardware: string;
            /** @description what the user should know. */
            messages: string[];
            /** @description bytes that would be sent. */
            payload: number;
            /** @description where it would run. */
            target: string;
            /** @description what of it are variables. */
            variables: components["schemas"]["Variable"][];
            /** @description the objects that a cluster would be asked for; empty where jobs are not made of objects. */
            yaml: string;
        };
        /**
         * Power
         * @description What was measured of a job.
         */
        Power: {
            /** @description what it took so far, in J. */
            energy: components["schemas"]["Reading"];
            /** @description of the job. */
            id: string;
            /** @description W; null if not known. */
            mean: number | null;
            /** @description W; null if not known. */
            peak: number | null;
            /** @description of each device. */
            series: components["schemas"]["PowerSeries"][];
        };
        /**
         * PowerSeries
         * @description The power of one device over the time of a job.
         */
        PowerSeries: {
            /** @description of the device. */
            id: string;
            /** @description of the device. */
            index: number | null;
            /** @description of the device. */
            kind: string;
            /** @description of the device. */
            name: string;
            /** @description each `[time, seconds, mean W, highest W]`, oldest first: the last ten minutes by seconds, means of more before. */
            points: [
                number,
                number,
                number,
                number
            ][];
            /**
             * @description where its watts are from.
             * @enum {unknown}
             */
            source: "attributed" | "counter" | "modelled" | "sampled" | "unavailable";
        };
        /**
         * Problem
         * @description Why a request was not carried out, by RFC 9457.
         */
        Problem: {
            /** @description what happened, and to which object. */
            detail: string;
            /** @description the parts of the request that are wrong. */
            errors: components["schemas"]["Fault"][];
            /** @description what to do next; empty if there is nothing to do. */
            hint: string;
            /** @description of HTTP. */
            status: number;
            /** @description the kind of problem in a few words. */
            title: string;
            /** @description `urn:sovlab:problem:` and the name of the error, e.g. `JobNotFound`. */
            type: string;
        };
        /**
         * Reading
         * @description A number with where it is from.
         */
        Reading: {
            /** @description share of the time of which it is, 0 to 1; null if not known. */
            coverage: number | null;
            /** @description how, for people. */
            method: string;
            /** @description of what. */
            scope: string;
            /**
             * @description where it is from.
             * @enum {unknown}
             */
            source: "attributed" | "counter" | "modelled" | "sampled" | "unavailable";
            /** @description `J`, `W`, `°C` or `1` for a share. */
            unit: string;
            /** @description null if it is not known. */
            value: number | null;
            /** @description why there is no value, or what is not in it. */
            why: string;
        };
        /**
         * Readings
         * @description What the devices of a job that is followed draw; the newest only, `Power` has the curve.
         */
        Readings: {
            /** @description those that are measured. */
            devices: components["schemas"]["Watts"][];
            /** @description its id. */
            job: string;
            /** @description what became of its limits, a sentence each. */
            limits: string[];
            /** @description of the job. */
            target: string;
            /** @description of the last second of it. */
            time: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "readings";
        };
        /**
         * Records
         * @description What has changed in the jobs of a target.
         */
        Records: {
            /** @description as in a snapshot. */
            counts: {
                [key: string]: number;
            };
            /** @description new or changed; the newest state of each. */
            jobs: components["schemas"]["JobRow"][];
            /** @description ids of those that are gone. */
            removed: string[];
            /** @description up to which this tells all. */
            revision: number;
            /** @description its name. */
            target: string;
            /** @description as in a snapshot. */
            total: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "records";
        };
        /**
         * Refused
         * @description A message of the page was not carried out, or something that was begun cannot go on.
         */
        Refused: {
            /**
             * @description which: `follow`, `watch`, …; empty if it could not be read.
             * @enum {unknown}
             */
            about: "" | "follow" | "look" | "unfollow" | "watch";
            /** @description of what it was about; empty if of none. */
            job: string;
            /** @description why. */
            problem: components["schemas"]["Problem"];
            /** @description of what it was about; empty if of none. */
            target: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "refused";
        };
        /**
         * Rerun
         * @description How a job is run again.
         */
        Rerun: {
            /**
             * @description whether it goes on from what the earlier one saved; null is yes if outside ended that.
             * @default null
             */
            resume: boolean | null;
        };
        /**
         * Run
         * @description A whole notebook to run, with what was typed into its form.
         */
        Run: {
            /**
             * @description run it anew though the same run is there.
             * @default false
             */
            fresh: boolean;
            /**
             * @description chosen by the page; the same one again, within ten minutes, finds the run that it began.
             * @default null
             */
            key: string | null;
            /** @description path as the contents API has it; what is saved there is what runs. */
            notebook: string;
            /** @description where and with what; those of cells, and arguments, there are not. */
            options?: components["schemas"]["Options"];
            /** @description path of the executed notebook; nothing may be there. */
            output: string;
            /**
             * @description texts by name; of those that are not named the notebook's own values hold.
             * @default {}
             */
            parameters: {
                [key: string]: string;
            };
        };
        /**
         * Sent
         * @description What was sent for a job; values of variables and of the environment are in none of it.
         */
        Sent: {
            /** @description of a script; what looks like a secret is `…`. */
            args: string[];
            /** @description characters that are left out at its end. */
            cut: number;
            /** @description SHA-256 of it. */
            digest: string;
            /** @description names of the environment variables that were added. */
            env: string[];
            /** @description local modules and files beside the code. */
            files: components["schemas"]["SentFile"][];
            /** @description of the job. */
            id: string;
            /** @description sentences about what is not shown. */
            notes: string[];
            /** @description of the request, in words. */
            options: {
                [key: string]: string;
            };
            /** @description bytes in all; null if the payload is not on this machine. */
            payload: number | null;
            /** @description version that sent it; empty if not known. */
            python: string;
            /** @description of the cell or script; empty where the code is a function or a module. */
            source: string;
            /** @description of the notebook. */
            variables: components["schemas"]["Variable"][];
            /** @description names that looked like secrets and stayed. */
            withheld: string[];
        };
        /**
         * SentFile
         * @description A file that was sent: its path beside the code, and its bytes.
         */
        SentFile: {
            bytes: number;
            path: string;
        };
        ServerMessage: components["schemas"]["Hello"] | components["schemas"]["HealthChanged"] | components["schemas"]["Snapshot"] | components["schemas"]["Records"] | components["schemas"]["JobChanged"] | components["schemas"]["Log"] | components["schemas"]["Gap"] | components["schemas"]["Readings"] | components["schemas"]["TelemetryChanged"] | components["schemas"]["Refused"];
        /**
         * SiteReading
         * @description What one of the site's own queries says: of its power distribution, its cooling.
         */
        SiteReading: {
            /** @description may be empty. */
            device: string;
            /** @description of the query. */
            name: string;
            /** @description what it is of. */
            of: string;
            /** @description the number. */
            reading: components["schemas"]["Reading"];
        };
        /**
         * Snapshot
         * @description The jobs of a target, in place of all that was known of them.
         */
        Snapshot: {
            /** @description jobs by state. */
            counts: {
                [key: string]: number;
            };
            /** @description the newest, and all that have not ended, up to 200; the others are had by pages. */
            jobs: components["schemas"]["JobRow"][];
            /** @description of the snapshot. */
            revision: number;
            /** @description its name. */
            target: string;
            /** @description jobs of the target. */
            total: number;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "snapshot";
        };
        /**
         * Submit
         * @description Something to run: the source of a cell, or a Python file below the server's root; one of the two.
         */
        Submit: {
            /**
             * @description of the file.
             * @default []
             */
            args: string[];
            /**
             * @description of the notebook, below the server's root: where local modules are.
             * @default
             */
            directory: string;
            /**
             * @description path below the server's root, as the contents API has it.
             * @default null
             */
            file: string | null;
            /**
             * @description chosen by the page; the same one again, within ten minutes, finds the job instead of making two.
             * @default null
             */
            key: string | null;
            /**
             * @description what the cell is called in tracebacks, e.g. `In[7]`.
             * @default
             */
            label: string;
            /** @description where and with what. */
            options?: components["schemas"]["Options"];
            /**
             * @description of a cell. The notebook's variables are its kernel's: a cell that reads any is refused.
             * @default null
             */
            source: string | null;
        };
        /**
         * Submitted
         * @description A job that was accepted.
         */
        Submitted: {
            /** @description what is known of it. */
            job: components["schemas"]["Job"];
            /** @description what the user should know, e.g. a name that was withheld. */
            messages: string[];
        };
        /**
         * Target
         * @description A named place where jobs run.
         */
        Target: {
            /** @description `local`, `kubernetes`, or one that another package adds. */
            executor: string;
            /** @description of the target. */
            name: string;
            /** @description whether it names one, which is asked for telemetry. */
            prometheus: boolean;
            /** @description where it is defined: a file and line, or `built in`. */
            source: string;
            /** @description the place in a few words. */
            where: string;
        };
        /**
         * Targets
         * @description The targets of the user's settings.
         */
        Targets: {
            /** @description the one that is used where none is named. */
            current: string;
            /** @description sentences about settings that were left aside or are written in an old way. */
            notes: string[];
            /** @description all, by name. */
            targets: components["schemas"]["Target"][];
        };
        /**
         * Telemetry
         * @description What a target's devices draw, and how hot they are.
         */
        Telemetry: {
            /** @description those that are known, 1000 at most. */
            devices: components["schemas"]["Device"][];
            /** @description what the site's own queries say. */
            own: components["schemas"]["SiteReading"][];
            /** @description its name. */
            target: string;
            /** @description when it was looked at. */
            time: number;
            /** @description why a source measures nothing, by its name. */
            unavailable: {
                [key: string]: string;
            };
            /** @description who says so: this machine's sensors, or a Prometheus. */
            where: string;
        };
        /**
         * TelemetryChanged
         * @description What the devices of a target draw.
         */
        TelemetryChanged: {
            /** @description why. */
            problem: components["schemas"]["Problem"] | null;
            /** @description its name. */
            target: string;
            /** @description null if it cannot be had. */
            telemetry: components["schemas"]["Telemetry"] | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "telemetry";
        };
        /**
         * Unfollow
         * @description Tell me no more of a job.
         */
        Unfollow: {
            job: string;
            /** @default null */
            target: string | null;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "unfollow";
        };
        /**
         * Variable
         * @description A variable that is sent: its name, its type, and how many bytes it takes.
         */
        Variable: {
            bytes: number;
            name: string;
            type: string;
        };
        /**
         * Version
         * @description What is running here, so that a page of another version can say so.
         */
        Version: {
            /** @description MIME type of the card. */
            card: string;
            /** @description version of a job's document. */
            document: number;
            /** @description changes when the server starts again; revisions are of one epoch. */
            epoch: string;
            /** @description what the user may do. */
            may: components["schemas"]["May"];
            /** @description of the routes and the socket; a page that knows another asks for nothing more. */
            protocol: number;
            /** @description of the package. */
            version: string;
        };
        /**
         * Watch
         * @description Tell me of the jobs of these targets, and of no others.
         */
        Watch: {
            /**
             * @description that the page knows, after a reconnect; empty if it knows none.
             * @default
             */
            epoch: string;
            /**
             * @description the revision up to which the page knows each target: then only what has changed is told, if that is still told apart.
             * @default {}
             */
            known: {
                [key: string]: number;
            };
            /** @description empty ends it. */
            targets: string[];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "watch";
        };
        /**
         * Watts
         * @description A device of a job at the last look.
         */
        Watts: {
            /** @description of its hottest place. */
            celsius: number | null;
            /** @description of the device. */
            id: string;
            /** @description of the device. */
            index: number | null;
            /** @description since the job began. */
            joules: components["schemas"]["Reading"];
            /** @description of the device. */
            kind: string;
            /** @description of the device. */
            name: string;
            /** @description W; null in it if it is not known. */
            power: components["schemas"]["Reading"];
            /** @description why it is slowed now. */
            slowed: string[];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    backends: {
        parameters: {
            query?: {
                target?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Backends"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    jobs: {
        parameters: {
            query?: {
                all_users?: boolean;
                order?: "asc" | "desc";
                page?: number;
                q?: string | null;
                size?: number;
                sort?: "backend" | "ended" | "energy" | "name" | "ran" | "started" | "state" | "submitted";
                state?: string | null;
                target?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobPage"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    submit: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Submit"];
            };
        };
        responses: {
            /** @description Done. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Submitted"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    job: {
        parameters: {
            query?: {
                target?: string | null;
            };
            header?: never;
            path: {
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    remove: {
        parameters: {
            query?: {
                target?: string | null;
            };
            header?: never;
            path: {
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancel: {
        parameters: {
            query?: {
                target?: string | null;
            };
            header?: never;
            path: {
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Done. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Job"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    card: {
        parameters: {
            query?: {
                target?: string | null;
            };
            header?: never;
            path: {
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Card"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    events: {
        parameters: {
            query?: {
                page?: number;
                size?: number;
                target?: string | null;
            };
            header?: never;
            path: {
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Happenings"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    log: {
        parameters: {
            query?: {
                limit?: number;
                offset?: number;
                rank?: number | null;
                target?: string | null;
            };
            header?: never;
            path: {
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LogPage"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    manifests: {
        parameters: {
            query?: {
                target?: string | null;
            };
            header?: never;
            path: {
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Manifests"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    power: {
        parameters: {
            query?: {
                target?: string | null;
            };
            header?: never;
            path: {
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Power"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rerun: {
        parameters: {
            query?: {
                target?: string | null;
            };
            header?: never;
            path: {
                job: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Rerun"];
            };
        };
        responses: {
            /** @description Done. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Submitted"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    sent: {
        parameters: {
            query?: {
                target?: string | null;
            };
            header?: never;
            path: {
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Sent"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    bulk: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Bulk"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BulkResult"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    plan: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Submit"];
            };
        };
        responses: {
            /** @description Done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plan"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    outcome: {
        parameters: {
            query: {
                output: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Outcome"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    run: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Run"];
            };
        };
        responses: {
            /** @description Done. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Begun"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    form: {
        parameters: {
            query: {
                path: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Form"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    stream: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description See PROTOCOL.md beside this file. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    targets: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Targets"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    telemetry: {
        parameters: {
            query?: {
                target?: string | null;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Telemetry"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    version: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was asked for. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Version"];
                };
            };
            /** @description A problem. */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
