// Job DSL seed (plugin "job-dsl"): the four jobs. REPOSITORY, BRANCH and STREAM come from the seed job; jenkins/casc.yaml sets them.

def pipeline = { job, file ->
    job.definition {
        cpsScm {
            scm {
                git {
                    remote { url(REPOSITORY) }
                    branch(BRANCH)
                }
            }
            scriptPath("jenkins/${file}")
            lightweight(true)
        }
    }
}

pipelineJob('atomic-nightly') {
    description('One nightly build: the tree, then its images on all agents.')
    parameters {
        stringParam('STREAM', STREAM, 'Stream of the configuration')
        stringParam('ARCH', 'x86_64', 'Label of agents of its architecture')
        booleanParam('FORCE', false, 'Compose although nothing changed')
    }
    properties {
        disableConcurrentBuilds()
        pipelineTriggers { triggers { cron { spec('TZ=UTC\nH(0-20) 2 * * *') } } }
    }
    pipeline(delegate, 'Jenkinsfile.nightly')
}

pipelineJob('atomic-images') {
    description('Images of a build, on any agent.')
    parameters {
        stringParam('BUILD', '', 'Build id')
        stringParam('TYPES', '', 'Image types, as in generic-cloud,iso; empty: all that are missing')
        stringParam('ARCH', 'x86_64', 'Label of agents of its architecture')
    }
    pipeline(delegate, 'Jenkinsfile.images')
}

pipelineJob('atomic-promote') {
    description('A nightly build becomes a release candidate and, once approved, a release.')
    parameters {
        stringParam('BUILD', '', 'Build id of the nightly build')
        stringParam('STREAM', 'release', 'Release stream')
        stringParam('ARCH', 'x86_64', 'Label of agents of its architecture')
        choiceParam('MODE', ['rebuild', 'recommit'], "recommit keeps the nightly build's tree byte for byte")
        textParam('OVERRIDES', '', 'NEVRAs of packages to take newer, one a line')
        textParam('EXCLUDES', '', 'Names of packages to leave out, one a line')
        stringParam('REASON', '', 'For the record')
    }
    properties { disableConcurrentBuilds() }
    pipeline(delegate, 'Jenkinsfile.promote')
}

pipelineJob('atomic-rebuild') {
    description('Source packages on builders that nobody has to trust; by its timer, what was drawn and is due.')
    parameters {
        textParam('SRPMS', '', 'Source packages: files, URLs or folders, one a line; empty: only what was drawn and is due')
        stringParam('ON', '', 'The only builder to use; empty: all that are configured')
        booleanParam('SCRATCH', false, 'Never to enter a repository')
        stringParam('ARCH', 'x86_64', 'Label of the agent of its architecture')
    }
    properties {
        disableConcurrentBuilds()
        pipelineTriggers { triggers { cron { spec('H/10 * * * *') } } }
    }
    pipeline(delegate, 'Jenkinsfile.rebuild')
}
