// Runs a Jenkinsfile without Jenkins: the steps that ours use, with `sh` really executed. An agent is a folder with one
// executor; nothing goes from one to another but what `sh` sends somewhere.
//
//   groovy shim.groovy parse FILE...      each must be Groovy
//   groovy shim.groovy jobs FILE          runs a Job DSL script; prints its jobs as JSON
//   groovy shim.groovy run WORLD          a JSON file, see class World; the log, then "RESULT " and JSON

import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import java.nio.file.FileSystems
import java.nio.file.Files
import java.util.concurrent.Semaphore
import org.codehaus.groovy.control.CompilerConfiguration

/**
 * {repository, jobs: {NAME: Jenkinsfile}, agents: [{name, labels, folder, environment}], credentials: {ID: text}, job, params,
 * input}; without input nobody answers.
 */
class World {
    Map spec
    Map<String, Semaphore> executors = [:]
    List<Map> runs = [].asSynchronized()

    World(Map spec) {
        this.spec = spec
        spec.agents.each { executors[it.name] = new Semaphore(1) }
    }

    /** Waits for an agent that has all labels of an expression like `a && b`. */
    Map take(String expression) {
        def wanted = expression.split('&&')*.trim()
        def fitting = spec.agents.findAll { it.labels.containsAll(wanted) }
        if (!fitting) throw new IllegalStateException("no agent has the labels ${expression}")
        while (true) {
            for (agent in fitting) if (executors[agent.name].tryAcquire()) return agent
            Thread.sleep(50)
        }
    }

    Map run(String job, Map params) {
        def config = new CompilerConfiguration(scriptBaseClass: Steps.name)
        def shell = new GroovyShell(Steps.classLoader, new Binding(), config)
        def run = [job: job, params: params, env: [:], result: 'SUCCESS', description: null, artifacts: [], reports: []]
        runs << run
        def script = shell.parse(new File(spec.repository, "jenkins/${spec.jobs[job]}"))
        script.start(this, run, shell)
        try {
            script.run()
        } catch (Throwable error) {
            println "[${job}] ${error.class.simpleName}: ${error.message}"
            run.result = 'FAILURE'
        }
        println "[${job}] Finished: ${run.result}"
        return run
    }
}

/** What is set in a pipeline, in front of what its agent has. */
class Environment {
    Map own
    Map machine
    def propertyMissing(String name) { own.containsKey(name) ? own[name] : machine[name] }
    def propertyMissing(String name, value) { own[name] = value }
}

/** A section whose lines are remembered and not done: `label 'x'`, `string(name: …)`, nested sections. */
class Section {
    List<Map> calls = []
    Script script
    def methodMissing(String name, args) { calls << [name: name, args: args as List]; null }
    def propertyMissing(String name) { script.getProperty(name) }
    Closure closure(String name) { calls.find { it.name == name }?.args?.last() as Closure }
    static Section of(Closure body, Script script) {
        def section = new Section(script: script)
        body.delegate = section
        // Not the sections around it, nor the script: they would do what is to be remembered.
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body.call()
        return section
    }
}

abstract class Steps extends Script {
    World world
    Map state
    GroovyShell shell
    Map agent

    void start(World world, Map state, GroovyShell shell, Map agent = null) {
        this.agent = agent
        this.world = world
        this.state = state
        this.shell = shell
    }

    // What a Jenkinsfile reads.
    def getParams() { state.params }
    def getEnv() { new Environment(own: state.env, machine: agent?.environment ?: [:]) }
    def getCurrentBuild() { state }
    def getNone() { null }

    // Declarative sections.
    void pipeline(Closure body) {
        def declared = Section.of(body, this).closure('parameters')
        if (declared) {
            def defaults = Section.of(declared, this).calls.collectEntries { call ->
                def given = call.args[0]
                [given.name, given.containsKey('choices') ? given.choices[0] : given.defaultValue]
            }
            def unknown = state.params.keySet() - defaults.keySet()
            if (unknown) throw new IllegalArgumentException("no such parameters: ${unknown}")
            state.params = defaults + state.params
        }
        stage('', body)
    }

    void stage(String name, Closure body) {
        def sections = Section.of(body, this)
        def condition = sections.closure('when')
        if (condition && !perform(Section.of(condition, this).closure('expression'))) {
            println "[${state.job}] stage ${name} skipped"
            return
        }
        if (name) println "[${state.job}] stage ${name}"
        onAgent(sections.calls.find { it.name == 'agent' }?.args?.getAt(0)) {
            Throwable failure = null
            try {
                def inner = sections.closure('stages')
                if (inner) Section.of(inner, this).calls.each { stage(it.args[0], it.args[1]) }
                def steps = sections.closure('steps')
                if (steps) perform(steps)
            } catch (Throwable error) {
                failure = error
            }
            def post = sections.closure('post')
            if (post) perform(Section.of(post, this).closure('always'))
            if (failure) throw failure
        }
    }

    /** Calls a closure of the Jenkinsfile for what it does. */
    def perform(Closure body) {
        body.delegate = this
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body.call()
    }

    void onAgent(where, Closure work) {
        if (!(where instanceof Closure)) { work.call(); return }
        def wanted = Section.of(where, this).calls.find { it.name == 'label' }.args[0].toString()
        def outer = agent
        agent = world.take(wanted)
        try {
            println "[${state.job}] on agent ${agent.name}"
            agent = agent + [folder: "${agent.folder}/workspace/${state.job}".toString()]
            checkOut()
            work.call()
        } finally {
            world.executors[agent.name].release()
            agent = outer
        }
    }

    /** As a pipeline from SCM begins; what a machine has at a fixed place is in the agent's folder here. */
    void checkOut() {
        def from = new File(world.spec.repository)
        from.eachFileRecurse { source ->
            def target = new File(agent.folder, from.toPath().relativize(source.toPath()).toString())
            if (source.isDirectory()) target.mkdirs()
            else {
                target.parentFile.mkdirs()
                target.text = source.text.replace('/var/lib/atomic-nightly', agent.environment.ATOMIC_NIGHTLY_WORK)
            }
        }
    }

    // Steps.
    def script(Closure body) { body.call() }
    void echo(Object text) { println "[${state.job}] ${text}" }
    void error(Object text) { throw new IllegalStateException(text.toString()) }
    void unstable(Object text) { echo(text); state.result = 'UNSTABLE' }
    void sleep(Map how) { Thread.sleep((how.time as long) * (how.unit == 'SECONDS' ? 1000 : 60000)) }

    def sh(String text) { sh(script: text) }
    def sh(Map how) {
        if (agent == null) throw new IllegalStateException('sh outside of an agent')
        def file = File.createTempFile('shim-', '.sh')
        file.text = how.script
        // Jenkins runs scripts so, unless they begin with #!: every line is traced.
        def builder = new ProcessBuilder('sh', '-xe', file.path).directory(new File(agent.folder)).redirectErrorStream(true)
        builder.environment().putAll(agent.environment)
        (state.params + state.env).each { key, value -> if (value != null) builder.environment()[key] = value.toString() }
        def process = builder.start()
        process.outputStream.close()
        process.inputStream.eachLine { println "[${state.job} on ${agent.name}] ${it}" }
        int code = process.waitFor()
        file.delete()
        if (how.returnStatus) return code
        if (code != 0) error("script returned exit code ${code}")
    }

    def load(String path) {
        def loaded = shell.parse(new File(agent.folder, path))
        loaded.start(world, state, shell, agent)
        return loaded.run()
    }

    def file(Map about) { about + [kind: 'file'] }
    def string(Map about) { about + [kind: 'string'] }
    def withCredentials(List bindings, Closure body) {
        def before = new LinkedHashMap(state.env)
        def files = []
        try {
            for (binding in bindings) {
                def secret = world.spec.credentials[binding.credentialsId]
                if (secret == null) throw new IllegalStateException("no credentials ${binding.credentialsId}")
                if (binding.kind == 'file') {
                    def copy = Files.createTempFile('shim-secret-', '').toFile()
                    files << copy
                    copy.text = secret
                    copy.setReadable(false, false)
                    copy.setReadable(true, true)
                    secret = copy.path
                }
                state.env[binding.variable] = secret
            }
            return body.call()
        } finally {
            bindings.each { if (before.containsKey(it.variable)) state.env[it.variable] = before[it.variable] else state.env.remove(it.variable) }
            files*.delete()
        }
    }

    def readFile(String path) { new File(agent.folder, path).text }
    boolean fileExists(String path) { new File(agent.folder, path).exists() }
    def readJSON(Map what) { new JsonSlurper().parse(new File(agent.folder, what.file)) }

    def input(Map question) {
        echo(question.message)
        def answer = world.spec.input
        if (answer == null) error('nobody approved')
        return answer
    }

    def build(Map what) {
        def params = what.parameters.collectEntries { [it.name, it.value] }
        def run = world.run(what.job, params)
        if (run.result == 'FAILURE') error("${what.job} failed")
        if (run.result == 'UNSTABLE') state.result = 'UNSTABLE'
        return run
    }

    def parallel(Map branches) {
        def failures = [].asSynchronized()
        def threads = branches.collect { name, body ->
            Thread.start { try { body.call() } catch (Throwable error) { failures << error } }
        }
        threads*.join()
        if (failures) throw failures[0]
    }

    void archiveArtifacts(Map what) { state.artifacts.addAll(matching(what.artifacts, what.excludes ?: '')) }
    void junit(Map what) {
        for (name in matching(what.testResults, '')) {
            def suites = new XmlSlurper().parse(new File(agent.folder, name))
            state.reports << [name: name, tests: suites.testsuite.testcase.size(), failures: suites.testsuite.testcase.failure.size()]
        }
    }

    /** Files of the agent's folder by Ant-style patterns. */
    List<String> matching(String includes, String excludes) {
        def root = new File(agent.folder).toPath()
        def matchers = { String patterns ->
            patterns.split(',')*.trim().findAll().collectMany { pattern ->
                // Ant's ** stands for no folder, too.
                [pattern, pattern.replace('**/', '')].unique().collect { FileSystems.default.getPathMatcher("glob:${it}") }
            }
        }
        def (wanted, unwanted) = [matchers(includes), matchers(excludes)]
        def found = []
        Files.walk(root).forEach { path ->
            def name = root.relativize(path)
            if (Files.isRegularFile(path) && wanted.any { it.matches(name) } && !unwanted.any { it.matches(name) }) found << name.toString()
        }
        return found.sort()
    }
}

abstract class JobScript extends Script {
    Map jobs = [:]
    void pipelineJob(String name, Closure body) { jobs[name] = flat(body, this) }
    /** Every line of the nested sections, as [name, arguments without closures]. */
    static List flat(Closure body, Script script) {
        Section.of(body, script).calls.collectMany { call ->
            [[call.name] + call.args.findAll { !(it instanceof Closure) }] + call.args.findAll { it instanceof Closure }.collectMany { flat(it, script) }
        }
    }
}

switch (args[0]) {
    case 'parse':
        args.drop(1).each { new GroovyShell().parse(new File(it)) }
        println 'parsed'
        break
    case 'jobs':
        def binding = new Binding(REPOSITORY: 'https://git.example.org/atomic.git', BRANCH: 'main', STREAM: 'nightly')
        def config = new CompilerConfiguration(scriptBaseClass: JobScript.name)
        def script = new GroovyShell(JobScript.classLoader, binding, config).parse(new File(args[1]))
        script.run()
        println JsonOutput.toJson(script.jobs)
        break
    case 'run':
        def world = new World(new JsonSlurper().parse(new File(args[1])) as Map)
        world.run(world.spec.job, world.spec.params)
        println "RESULT ${JsonOutput.toJson(world.runs.collect { it.subMap('job', 'params', 'result', 'description', 'artifacts', 'reports') })}"
        System.exit(world.runs[0].result == 'FAILURE' ? 1 : 0)
}
