// What the pipelines have in common. Loaded from the checkout on each agent: atomic = load('jenkins/steps.groovy')

/** Secrets of a run, by the ids they have in Jenkins. Where the configuration finds them: docs/jenkins.md. */
def secrets() {
    [
        file(credentialsId: 'atomic-signing-key', variable: 'ATOMIC_SIGNING_KEY'),
        string(credentialsId: 'atomic-signing-passphrase', variable: 'ATOMIC_SIGNING_PASSPHRASE'),
        file(credentialsId: 'atomic-target-key', variable: 'ATOMIC_TARGET_KEY'),
    ]
}

/**
 * Runs one command of ours with the secrets bound, and gives its exit code. The text comes from a Jenkinsfile and never has
 * a parameter's value in it: the shell finds parameters in its environment. Jenkins would trace every line with its values,
 * so that is switched off first.
 */
int run(String command) {
    int code = 1
    withCredentials(secrets()) {
        code = sh(returnStatus: true, script: '''set +x -eu
umask 077
mkdir -p credentials
ln -sfn "$ATOMIC_SIGNING_KEY" credentials/signing.key
ln -sfn "$ATOMIC_TARGET_KEY" credentials/target.key
''' + command)
    }
    return code
}

/** As run, again while another run has the work folder (exit code 11). */
int runInTurn(String command) {
    int code = run(command)
    while (code == 11) {
        echo 'Another run has the work folder; waiting for it.'
        sleep(time: env.ATOMIC_LOCK_WAIT ? env.ATOMIC_LOCK_WAIT.toInteger() : 60, unit: 'SECONDS')
        code = run(command)
    }
    return code
}

/** For what must be done before the next stage. */
void insist(int code, String what) {
    if (code != 0) error("${what} ended with exit code ${code}")
}

/** What the exit code of a night or of images means for the job: 10 unchanged, 12 a gate failed; else as insist. */
void conclude(int code, String what) {
    if (code == 10) {
        currentBuild.description = 'unchanged'
        currentBuild.result = 'NOT_BUILT'
    } else if (code == 12) {
        unstable("${what}: built, but a smoke test did not pass")
    } else {
        insist(code, what)
    }
}

/**
 * Keeps the records and logs of the build that the file build-id names, and shows its steps and smoke tests. They are copied
 * because Jenkins archives nothing from outside a workspace.
 */
void keepRecords() {
    if (!fileExists('build-id')) return
    sh '''set +x -eu
id=$(cat build-id)
rm -rf records
mkdir records
builds=${ATOMIC_NIGHTLY_WORK:-/var/lib/atomic-nightly}/builds
[ ! -d "$builds/$id" ] || rsync -a --exclude=images --exclude=treefile "$builds/$id" records/
atomic-nightly show --junit "reports/$id.xml" -- "$id" || echo 'There is no record of the build here.'
'''
    junit testResults: 'reports/*.xml', allowEmptyResults: true, skipMarkingBuildUnstable: true
    archiveArtifacts artifacts: 'records/**', allowEmptyArchive: true
}

return this
